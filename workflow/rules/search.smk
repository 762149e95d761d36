"""A search, round by round: start, then propose, evaluate and select for every round, then finalists and the answer.

in:   DATA/{dataset}-{address}/manifest.json
out:  RESULTS/{task}/{search}/round-00/round.json                                     the complete cell
      RESULTS/{task}/{search}/round-NN/{proposal,evaluations-J,round}.json            NN = 01, 02, ...; J = one per job
      RESULTS/{task}/{search}/finalists/{proposal,evaluations-J}.json                 where search.{task}.finalists is set
      RESULTS/{task}/{search}/{best,front}.json                                       the answer, and the front of all candidates
      STORE/evaluations/                                                              shared by all runs

Evaluations are taken from the store where it has them: the store is a cache and no output, so nothing here waits for it.
"""


rule start:
    """Write round 0: the state that the search starts from."""
    output:
        SEARCH.round(0).state,
    log:
        RUN.log("{task}", "{search}", "start"),
    conda:
        "../envs/autoshrink.yaml"
    params:
        slice=trigger("start"),
        code=code("start"),
    message:
        "{wildcards.task} {wildcards.search}: starting"
    shell:
        'logged {log:q} autoshrink start --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --out {output:q}"


rule propose:
    """Draw the candidates of a round."""
    input:
        planned(PLAN.previous),
    output:
        ROUND.proposal,
    log:
        RUN.log("{task}", "{search}", "round-{round}", "propose"),
    group:
        ROUNDS
    conda:
        "../envs/autoshrink.yaml"
    resources:
        runtime=2,
    params:
        slice=trigger("propose"),
        code=code("propose"),
    message:
        "{wildcards.task} {wildcards.search}: proposing round {wildcards.round}"
    shell:
        'logged {log:q} autoshrink propose --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} "
        "--previous {input:q} --out {output:q}"


rule evaluate:
    """Train some of a round's candidates on the proxy; those that the store has are taken from it."""
    input:
        proposal=ROUND.proposal,
        data=manifest("proxy"),
        vectors=vectors("proxy"),
        final_data=lambda wildcards: PLAN.fitted_to(wildcards.task),
    output:
        ROUND.evaluations("{job}"),
    log:
        text=RUN.log("{task}", "{search}", "round-{round}", "evaluate-{job}"),
        progress=RUN.progress("{task}", "{search}", "round-{round}", "evaluate-{job}"),
    group:
        ROUNDS
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("evaluate")
    resources:
        runtime=resource("runtime", "evaluate"),
        mem_mb=resource("mem_mb", "evaluate"),
        gpu=resource("gpu", "evaluate"),
    params:
        slice=trigger("evaluate"),
        code=code("evaluate"),
        slots=planned(PLAN.slots),
        data=subpath(input.data, parent=True),
        final_data=lambda wildcards, input: [
            f"--final-data={Path(found).parent}" for found in input.final_data
        ],
        store=str(RUN.store),
    message:
        "{wildcards.task} {wildcards.search}: training candidates {params.slots} of round {wildcards.round}"
    shell:
        'logged {log.text:q} gpus {resources.gpu} autoshrink evaluate --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --proposal {input.proposal:q} "
        "--slots {params.slots:q} --data {params.data:q} {params.final_data:q} --store {params.store:q} --out {output:q} "
        "--progress {log.progress:q}"


rule select:
    """Score a round's candidates and keep the best one's cell."""
    input:
        previous=planned(PLAN.previous),
        proposal=ROUND.proposal,
        evaluations=planned(PLAN.evaluations),
    output:
        ROUND.state,
    log:
        RUN.log("{task}", "{search}", "round-{round}", "select"),
    group:
        ROUNDS
    conda:
        "../envs/autoshrink.yaml"
    resources:
        runtime=2,
    params:
        slice=trigger("select"),
        code=code("select"),
    message:
        "{wildcards.task} {wildcards.search}: selecting in round {wildcards.round}"
    shell:
        'logged {log:q} autoshrink select --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} "
        "--previous {input.previous:q} --proposal {input.proposal:q} --out {output:q} -- {input.evaluations:q}"


rule finalists:
    """Choose the finalists among the cells of all rounds."""
    input:
        planned(PLAN.rounds),
    output:
        SEARCH.finalists.proposal,
    log:
        RUN.log("{task}", "{search}", "finalists"),
    conda:
        "../envs/autoshrink.yaml"
    params:
        slice=trigger("finalists"),
        code=code("finalists"),
    message:
        "{wildcards.task} {wildcards.search}: choosing the finalists"
    shell:
        'logged {log:q} autoshrink finalists --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --out {output:q} -- {input:q}"


rule repeat:
    """Train finalists again under a seed of their own; evaluations that the store has are taken from it."""
    input:
        proposal=SEARCH.finalists.proposal,
        data=manifest("proxy"),
        vectors=vectors("proxy"),
        final_data=lambda wildcards: PLAN.repeated_on(wildcards.task),
        final_vectors=lambda wildcards: PLAN.final_vectors(wildcards.task),
    output:
        SEARCH.finalists.evaluations("{job}"),
    log:
        text=RUN.log("{task}", "{search}", "finalists", "repeat-{job}"),
        progress=RUN.progress("{task}", "{search}", "finalists", "repeat-{job}"),
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("repeat")
    resources:
        runtime=resource("runtime", "repeat"),
        mem_mb=resource("mem_mb", "repeat"),
        gpu=resource("gpu", "repeat"),
    params:
        slice=trigger("repeat"),
        code=code("repeat"),
        which=planned(PLAN.repeat),
        data=subpath(input.data, parent=True),
        final_data=lambda wildcards, input: [
            f"--final-data={Path(found).parent}" for found in input.final_data
        ],
        store=str(RUN.store),
    message:
        "{wildcards.task} {wildcards.search}: training finalists {params.which[slots]} under seed {params.which[repeat]}"
    shell:
        'logged {log.text:q} gpus {resources.gpu} autoshrink repeat --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --proposal {input.proposal:q} "
        "--repeat {params.which[repeat]} --slots {params.which[slots]} "
        "--data {params.data:q} {params.final_data:q} --store {params.store:q} --out {output:q} "
        "--progress {log.progress:q}"


rule best:
    """Write the search's answer, the best cell of all rounds, and the front of all candidates."""
    input:
        rounds=planned(PLAN.rounds),
        repeated=planned(PLAN.repeats),
    output:
        best=SEARCH.best,
        front=SEARCH.front,
    log:
        RUN.log("{task}", "{search}", "best"),
    conda:
        "../envs/autoshrink.yaml"
    params:
        slice=trigger("best"),
        code=code("best"),
        repeated=lambda wildcards, input: [
            word for file in input.repeated for word in ("--repeated", file)
        ],
    message:
        "{wildcards.task} {wildcards.search}: the best cell"
    shell:
        'logged {log:q} autoshrink best --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} "
        "--out {output.best:q} {params.repeated:q} -- {input.rounds:q}"

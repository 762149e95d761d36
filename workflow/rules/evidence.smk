"""The verdict: the found network against references of its cost, trained by the same recipe on the same data and seeds.

in:   RESULTS/{task}/{search}/{best.json,round-00/round.json,model/}, DATA/{dataset}-{address}/manifest.json
out:  RESULTS/{task}/{search}/evidence/{network}/{training}/model/    training = seed-0, ..., rate-0, ...
      RESULTS/{task}/{search}/evidence/{network}/rate.json     only where several learning rates are tried
      RESULTS/{task}/{search}/evidence/{network}/{test.json,outcomes.npy}
      RESULTS/{task}/{search}/evidence/verdict.json
"""

EVIDENCE = SEARCH.evidence("{network}")
TRAINING = EVIDENCE.training("{training}")
EVIDENCE_LOG = ("{task}", "{search}", "evidence", "{network}")


rule train_reference:
    """Scale a reference to the found network's cost and train it; goes on from its last checkpoint."""
    input:
        best=SEARCH.best,
        start=SEARCH.round(0).state,
        data=manifest("training"),
        vectors=vectors("training"),
        rate=planned(PLAN.rate),
        source=planned(PLAN.sources),
    output:
        model=TRAINING.model.description,
        weights=TRAINING.model.weights,
        history=TRAINING.model.history,
    log:
        text=RUN.log(*EVIDENCE_LOG, "{training}"),
        progress=RUN.progress(*EVIDENCE_LOG, "{training}"),
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("train-reference")
    resources:
        runtime=resource("runtime", "train-reference"),
        mem_mb=resource("mem_mb", "train-reference"),
        gpu=resource("gpu", "train-reference"),
    params:
        slice=trigger("train-reference"),
        code=code("train-reference"),
        reference=planned(PLAN.reference),
        data=subpath(input.data, parent=True),
        folder=subpath(output.model, ancestor=2),
        rate=lambda wildcards, input: [f"--rate={file}" for file in input.rate],
    message:
        "{wildcards.task} {wildcards.search}: training {params.reference} for the verdict, {wildcards.training}"
    shell:
        'logged {log.text:q} gpus {resources.gpu} launch autoshrink train-reference --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --reference {params.reference:q} "
        "--training {wildcards.training:q} --best {input.best:q} --start {input.start:q} --data {params.data:q} "
        "{params.rate:q} --out {params.folder:q} --progress {log.progress:q}"


rule choose_rate:
    """Keep the learning rate that is best on validation data."""
    input:
        planned(PLAN.tried_rates),
    output:
        EVIDENCE.rate,
    log:
        RUN.log(*EVIDENCE_LOG, "rate"),
    conda:
        "../envs/autoshrink.yaml"
    params:
        slice=trigger("choose-rate"),
        code=code("choose-rate"),
        reference=planned(PLAN.reference),
    message:
        "{wildcards.task} {wildcards.search}: choosing the learning rate of {params.reference}"
    shell:
        'logged {log:q} autoshrink choose-rate --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --reference {params.reference:q} "
        "--out {output:q} -- {input:q}"


rule test_reference:
    """Measure a network's trainings on the test split, example by example."""
    input:
        best=SEARCH.best,
        data=manifest("training"),
        models=planned(PLAN.model_files),
        rate=planned(PLAN.chosen_rate),
    output:
        test=EVIDENCE.test,
        outcomes=EVIDENCE.outcomes,
    log:
        RUN.log(*EVIDENCE_LOG, "test"),
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("test-reference")
    resources:
        runtime=resource("runtime", "test-reference"),
        mem_mb=resource("mem_mb", "test-reference"),
        gpu=resource("gpu", "test-reference"),
    params:
        slice=trigger("test-reference"),
        code=code("test-reference"),
        reference=planned(PLAN.reference),
        data=subpath(input.data, parent=True),
        options=planned(PLAN.test_options),
        models=planned(PLAN.trained_folders),
    message:
        "{wildcards.task} {wildcards.search}: measuring {params.reference} on the test split"
    shell:
        'logged {log:q} gpus {resources.gpu} autoshrink test-reference --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --reference {params.reference:q} "
        "--best {input.best:q} {params.options:q} --data {params.data:q} --out {output.test:q} -- {params.models:q}"


rule verdict:
    """Judge the found network against the references; measure all networks' latency."""
    input:
        best=SEARCH.best,
        data=manifest("training"),
        model=SEARCH.model.description,
        tests=planned(PLAN.tests),
    output:
        SEARCH.verdict,
    log:
        RUN.log("{task}", "{search}", "evidence", "verdict"),
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "verdict"),
        mem_mb=resource("mem_mb", "verdict"),
    params:
        slice=trigger("verdict"),
        code=code("verdict"),
        data=subpath(input.data, parent=True),
        model=subpath(input.model, parent=True),
        evidence=subpath(output[0], parent=True),
    message:
        "{wildcards.task} {wildcards.search}: judging the found network against the references"
    shell:
        'logged {log:q} autoshrink verdict --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --best {input.best:q} --model {params.model:q} "
        "--evidence {params.evidence:q} --data {params.data:q} --out {output:q}"

"""A study: every strategy of `study.strategies` with every seed of `study.seeds`, compared at equal cost.

    snakemake --cores all study

in:   the rounds of all these searches (rules/search.smk makes them; evaluations are shared through the store), and, with
      `study.final_training`, the final models' metrics
out:  RESULTS/study/{task}/{study.json,study.csv,study.md,anytime.svg,answers.svg,index.html}
"""

STUDY = f"{RESULTS}/study/{{task}}"
STUDY_FILES = ["study.json", "study.csv", "study.md", "anytime.svg", "answers.svg"]


def studied(kind):
    """Return an input function: the rounds, or the metrics, of all searches that the study compares."""

    def of(wildcards):
        found = []
        for name in rounds.study_searches(PARAMETERS, Task(wildcards.task)):
            place = SEARCH.format(task=wildcards.task, search=name)
            if kind == "metrics":
                found.append(f"{place}/metrics.json")
                continue
            count = len(plan(wildcards.task, str(name)))
            found += [
                f"{place}/round-{number:02d}/round.json"
                for number in range(1, count + 1)
            ]
        return found

    return of


rule study:
    """The comparison of strategies, for every task."""
    input:
        expand(f"{STUDY}/index.html", task=PARAMETERS.tasks),


rule compare:
    """Compare the strategies of a task: table, anytime curves, paired tests, page."""
    input:
        rounds=studied("rounds"),
        metrics=studied("metrics") if PARAMETERS.study.final_training else [],
    output:
        [f"{STUDY}/{name}" for name in STUDY_FILES],
        report(
            f"{STUDY}/index.html",
            caption="../report/study.rst",
            category="Study",
            labels={"what": "{task} strategies compared", "file": "html"},
        ),
    log:
        f"{LOGS}/{{task}}/study.log",
    benchmark:
        f"{BENCHMARKS}/{{task}}/study.tsv"
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "report"),
        mem_mb=resource("mem_mb", "report"),
    params:
        slice=trigger("study"),
        folder=subpath(output[0], parent=True),
    message:
        "{wildcards.task}: comparing strategies"
    shell:
        "autoshrink study --params {PARAMS} --task {wildcards.task} --results {RESULTS} --out {params.folder} "
        + LOGGED

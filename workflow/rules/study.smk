"""A study: every strategy of `study.strategies` with every seed of `study.seeds`, compared at equal cost.

    snakemake --cores all study

in:   the rounds of all these searches (rules/search.smk makes them; evaluations are shared through the store), and, with
      `study.final_training`, the final models' metrics
out:  RESULTS/study/{task}/{study.json,study.csv,study.md,anytime.svg,answers.svg,index.html}
"""

STUDY = RUN.study("{task}")
STUDY_FILES = ["study.json", "study.csv", "study.md", "anytime.svg", "answers.svg"]
# an output like any other: nothing else tells the workflow that it is gone
STUDY_RECORD = "study.lineage.json"


rule study:
    """The comparison of strategies, for every task."""
    input:
        expand(
            STUDY / "{name}",
            name=["index.html", STUDY_RECORD],
            task=PLAN.parameters.tasks,
        ),


rule study_task:
    """Compare the strategies of a task: table, anytime curves, paired tests, page."""
    input:
        planned(PLAN.studied),
    output:
        [STUDY / name for name in STUDY_FILES],
        STUDY / STUDY_RECORD,
        report(
            STUDY / "index.html",
            caption="../report/study.rst",
            category="Study",
            labels={"what": "{task} strategies compared", "file": "html"},
        ),
    log:
        RUN.log("{task}", "study"),
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "study"),
        mem_mb=resource("mem_mb", "study"),
    params:
        slice=trigger("study"),
        code=code("study"),
        folder=subpath(output[0], parent=True),
        results=subpath(output[0], ancestor=3),
    message:
        "{wildcards.task}: comparing strategies"
    shell:
        'logged {log:q} autoshrink study --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --results {params.results:q} --out {params.folder:q}"

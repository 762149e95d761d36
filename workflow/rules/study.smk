"""A study: every strategy of `study.strategies` with every seed of `study.seeds`, compared at equal cost.

    snakemake --cores all study

in:   the rounds of all these searches (rules/search.smk makes them; evaluations are shared through the store), and, with
      `study.final_training`, the final models' metrics
out:  RESULTS/study/{task}/{study.json,study.csv,study.md,anytime.svg,answers.svg,index.html}
"""


rule study:
    """The comparison of strategies, for every task."""
    input:
        expand(f"{STUDY}/index.html", task=PARAMETERS.tasks),


rule study_task:
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
        results=subpath(output[0], ancestor=3),
    message:
        "{wildcards.task}: comparing strategies"
    shell:
        "logged {log:q} autoshrink study --params {SNAPSHOT:q} "
        "--task {wildcards.task:q} --results {params.results:q} --out {params.folder:q}"

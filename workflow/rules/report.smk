"""Everything above, to look at: tables, figures and the page.

in:   every round, best cell, model history and metrics of every search
out:  RESULTS/report/, which `snakemake --report` collects too
"""

CATEGORIES = {"cnn": "CNN search", "rnn": "RNN search"}


def in_report(name):
    """Return an output of the report, marked for Snakemake's own report with the caption of its kind."""
    path = Path(name)
    if path.suffix not in (".svg", ".csv", ".html"):
        return REPORT.format(name=name)
    return report(
        REPORT.format(name=name),
        caption=f"../report/{path.stem}.rst",
        category=CATEGORIES.get(path.parts[0], "The run"),
        labels={"what": path.stem, "file": path.suffix.removeprefix(".")},
    )


rule report:
    """Make the tables, figures and the page of the run."""
    input:
        rounds=[
            file
            for task, search in SEARCHES
            for file in expand(
                f"{ROUND}/round.json",
                task=task,
                search=search,
                round=[
                    f"{number:02d}" for number in range(len(plan(task, search)) + 1)
                ],
            )
        ],
        best=[
            f"{SEARCH}/best.json".format(task=task, search=search)
            for task, search in SEARCHES
        ],
        histories=[
            f"{SEARCH}/model/history.json".format(task=task, search=search)
            for task, search in SEARCHES
        ],
        metrics=[
            f"{SEARCH}/metrics.json".format(task=task, search=search)
            for task, search in SEARCHES
        ],
    output:
        [in_report(name) for name in REPORT_FILES],
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "report"),
        mem_mb=resource("mem_mb", "report"),
    params:
        slice=slice_of(PARAMETERS, "report"),
        folder=f"{RESULTS}/report",
    message:
        "drawing the report"
    shell:
        "autoshrink report --params {PARAMS} --results {RESULTS} --out {params.folder} "
        + LOGGED

"""Everything above, to look at: tables, figures and the page.

in:   every round, best cell, model history and metrics of every search, and the counts of known networks
out:  RESULTS/report/, which `snakemake --report` collects too
"""


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
        known_networks=[KNOWN_NETWORKS] if PARAMETERS.report.known_networks else [],
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
        folder=subpath(output[0], parent=True),
        results=subpath(output[0], ancestor=2),
    message:
        "drawing the report"
    shell:
        "logged {log:q} autoshrink report --params {SNAPSHOT:q} "
        "--results {params.results:q} --out {params.folder:q}"

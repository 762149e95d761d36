"""Everything above, to look at: tables, figures and the page.

in:   every round, best cell, model history and metrics of every search, and the counts of known networks
out:  RESULTS/report/, which `snakemake --report` collects too
"""


rule report:
    """Make the tables, figures and the page of the run."""
    input:
        **preflight.or_exit(PLAN.reported),
    output:
        [in_report(name) for name in REPORT_FILES],
        RUN.report_record,
    log:
        RUN.log("report"),
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "report"),
        mem_mb=resource("mem_mb", "report"),
    params:
        slice=trigger("report"),
        code=code("report"),
        folder=subpath(output[0], parent=True),
        results=subpath(output[0], ancestor=2),
    message:
        "drawing the report"
    shell:
        'logged {log:q} autoshrink report --params "$AUTOSHRINK_PARAMS" '
        "--results {params.results:q} --out {params.folder:q}"

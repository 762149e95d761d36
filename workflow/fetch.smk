"""Fetches a run that `publish` has put on object storage, and verifies it. What is here already stays as it is.

    snakemake --snakefile workflow/fetch.smk --cores 1 --configfile FILE      FILE names paths.storage
    make restore                                                              tells Snakemake that the run is whole

A workflow of its own: in the other one, fetching would have what it fetches made first.
"""


configfile: "params.yaml"


include: "rules/common.smk"


preflight.or_exit(preflight.storage.require, PLAN.parameters)
preflight.environment(
    PLAN.parameters,
    Path(str(workflow.current_basedir)) / "bin",
    is_job=IS_JOB,
)


localrules:
    fetch,


rule fetch:
    """Bring results, data and store back, and verify them."""
    input:
        results=storage(f"{PLAN.parameters.paths.storage}/results"),
        data=storage(f"{PLAN.parameters.paths.storage}/data"),
        store=storage(f"{PLAN.parameters.paths.storage}/store"),
    params:
        results=str(RUN.results),
        data=str(RUN.data),
        store=str(RUN.store),
    message:
        "fetching the run from {PLAN.parameters.paths.storage}"
    shell:
        "autoshrink lineage copy -- {input.results:q} {params.results:q} "
        "&& autoshrink lineage copy -- {input.data:q} {params.data:q} "
        "&& autoshrink lineage copy -- {input.store:q} {params.store:q} "
        "&& autoshrink lineage verify -- {params.results:q}"

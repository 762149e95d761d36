"""A finished run on object storage, such as S3, through Snakemake's storage plugins. Only where `paths.storage` names a place.

in:   RESULTS, DATA and STORE, which must verify
out:  STORAGE/{results,data,store}/     workflow/fetch.smk brings them back
"""


localrules:
    publish,


rule publish:
    """Verify the run and put its results, data and store on the storage."""
    input:
        RUN.report_record,
    output:
        results=storage(f"{PLAN.parameters.paths.storage}/results"),
        data=storage(f"{PLAN.parameters.paths.storage}/data"),
        store=storage(f"{PLAN.parameters.paths.storage}/store"),
    params:
        results=str(RUN.results),
        data=str(RUN.data),
        store=str(RUN.store),
    message:
        "publishing the run on {PLAN.parameters.paths.storage}"
    shell:
        "autoshrink lineage verify -- {params.results:q} "
        "&& autoshrink lineage copy -- {params.results:q} {output.results:q} "
        "&& autoshrink lineage copy -- {params.data:q} {output.data:q} "
        "&& autoshrink lineage copy -- {params.store:q} {output.store:q}"

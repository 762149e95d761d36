"""Raw data to one prepared, checksummed form per data set.

in:   folders, packages or downloads, as params.yaml's `datasets` say
out:  DATA/{dataset}-{address}/manifest.json, and beside it the arrays whose digests it holds
"""


rule prepare:
    """Read, check, split and write a data set."""
    output:
        RUN.manifest("{dataset}", "{address}"),
    log:
        RUN.log("prepare-{dataset}-{address}"),
    priority: 1  # whatever is wrong with any data shows before candidates train
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "prepare"),
        mem_mb=resource("mem_mb", "prepare"),
    params:
        slice=trigger("prepare"),
        code=code("prepare"),
        folder=subpath(output[0], parent=True),
    message:
        "preparing the data set {wildcards.dataset}"
    shell:
        'logged {log:q} autoshrink prepare --params "$AUTOSHRINK_PARAMS" '
        "--out {params.folder:q} -- {wildcards.dataset:q}"

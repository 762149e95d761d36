"""What the final model is worth on the test split, and what known networks cost beside it.

in:   RESULTS/{task}/{search}/{best.json,round-00/round.json,model/}, DATA/{dataset}-{address}/manifest.json
out:  RESULTS/{task}/{search}/{metrics,test-details}.json
      RESULTS/report/known-networks.json
"""


rule test:
    """Measure the final model on the test split, and its cost beside the complete cell's."""
    input:
        best=SEARCH.best,
        start=SEARCH.round(0).state,
        data=manifest("training"),
        model=SEARCH.model.description,
        weights=SEARCH.model.weights,
    output:
        metrics=SEARCH.metrics,
        details=SEARCH.test_details,
    log:
        text=RUN.log("{task}", "{search}", "test"),
        progress=RUN.progress("{task}", "{search}", "test"),
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("test")
    resources:
        runtime=resource("runtime", "test"),
        mem_mb=resource("mem_mb", "test"),
        gpu=resource("gpu", "test"),
    params:
        slice=trigger("test"),
        code=code("test"),
        data=subpath(input.data, parent=True),
        model=subpath(input.model, parent=True),
    message:
        "{wildcards.task} {wildcards.search}: measuring the final model on the test split"
    shell:
        'logged {log.text:q} gpus {resources.gpu} autoshrink test --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --search {wildcards.search:q} --best {input.best:q} "
        "--start {input.start:q} --data {params.data:q} --model {params.model:q} --out {output.metrics:q} "
        "--progress {log.progress:q}"


rule known_networks:
    """Count the released cells and torchvision's mobile architectures with the counter of the found cells."""
    output:
        RUN.known_networks,
    log:
        RUN.log("known-networks"),
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "known-networks"),
        mem_mb=resource("mem_mb", "known-networks"),
    params:
        code=code("known-networks"),
    message:
        "counting the parameters and MACs of known networks"
    shell:
        "logged {log:q} autoshrink known-networks --out {output:q}"

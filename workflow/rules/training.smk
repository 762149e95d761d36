"""The best cell's network, trained with the full recipe.

in:   RESULTS/{task}/{search}/best.json, DATA/{dataset}-{address}/manifest.json
out:  RESULTS/{task}/{search}/model/{model.safetensors,model.json,history.json}
      RESULTS/{task}/{search}/model/checkpoints/     where a killed training goes on; no output, so that it outlives a failure
"""


rule train:
    """Train the best cell's network; goes on from its last checkpoint."""
    input:
        cell=SEARCH.best,
        data=manifest("training"),
        vectors=vectors("training"),
    output:
        SEARCH.model.description,
        SEARCH.model.weights,
        SEARCH.model.history,
    log:
        text=RUN.log("{task}", "{search}", "train"),
        progress=RUN.progress("{task}", "{search}", "train"),
    conda:
        "../envs/autoshrink.yaml"
    threads: cpus("train")
    resources:
        runtime=resource("runtime", "train"),
        mem_mb=resource("mem_mb", "train"),
        gpu=resource("gpu", "train"),
    params:
        slice=trigger("train"),
        code=code("train"),
        data=subpath(input.data, parent=True),
        folder=subpath(output[0], parent=True),
    message:
        "{wildcards.task} {wildcards.search}: training the best cell's network"
    shell:
        'logged {log.text:q} gpus {resources.gpu} launch autoshrink train --params "$AUTOSHRINK_PARAMS" '
        "--task {wildcards.task:q} --cell {input.cell:q} "
        "--data {params.data:q} --out {params.folder:q} "
        "--progress {log.progress:q}"

"""The best cell's network, trained with the full recipe.

in:   RESULTS/{task}/{search}/best.json, DATA/{dataset}/manifest.json
out:  RESULTS/{task}/{search}/model/{model.safetensors,model.json,history.json}
      RESULTS/{task}/{search}/model/checkpoints/     where a killed training goes on; no output, so that it outlives a failure
"""


rule train:
    """Train the best cell's network; goes on from its last checkpoint."""
    input:
        cell=f"{SEARCH}/best.json",
        data=manifest_of("training"),
        vectors=vectors_of("training"),
    output:
        f"{SEARCH}/model/model.json",
        f"{SEARCH}/model/model.safetensors",
        f"{SEARCH}/model/history.json",
    log:
        f"{LOGS}/{{task}}/{{search}}/train.log",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{search}}/train.tsv"
    conda:
        "../envs/autoshrink.yaml"
    threads: PARAMETERS.compute.threads
    resources:
        runtime=resource("runtime", "train"),
        mem_mb=resource("mem_mb", "train"),
        gpu=resource("gpu", "train"),
    params:
        slice=trigger("train"),
        data=subpath(input.data, parent=True),
        folder=subpath(output[0], parent=True),
    message:
        "{wildcards.task} {wildcards.search}: training the best cell's network (progress: {log})"
    shell:
        "logged {log:q} gpus {resources.gpu} launch autoshrink train --params {SNAPSHOT:q} "
        "--task {wildcards.task:q} --cell {input.cell:q} "
        "--data {params.data:q} --out {params.folder:q}"

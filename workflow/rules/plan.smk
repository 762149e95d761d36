"""A plan of training the best cell's network on other accelerators; made only where plan.devices names them.

in:   RESULTS/{task}/{search}/best.json, DATA/{dataset}-{address}/manifest.json, the device file
out:  RESULTS/{task}/{search}/plan.json
"""


rule plan:
    """Plan which dimension of each layer is divided between unequal accelerators, and in what shares."""
    input:
        cell=SEARCH.best,
        data=manifest("training"),
        devices=PLAN.device_file(),
    output:
        SEARCH.plan,
    log:
        RUN.log("{task}", "{search}", "plan"),
    conda:
        "../envs/autoshrink.yaml"
    threads: 1
    resources:
        runtime=resource("runtime", "plan"),
        mem_mb=resource("mem_mb", "plan"),
    params:
        slice=trigger("plan"),
        code=code("plan"),
        devices=PLAN.parameters.plan.devices,
        batch=PLAN.parameters.plan.batch,
        method=PLAN.parameters.plan.method,
        shares=PLAN.parameters.plan.shares,
    message:
        "{wildcards.task} {wildcards.search}: planning the training on {params.devices}"
    shell:
        'logged {log:q} autoshrink plan {input.cell:q} --params "$AUTOSHRINK_PARAMS" --devices {params.devices:q} '
        "--batch {params.batch} --method {params.method} --shares {params.shares} --out {output:q}"

"""AutoShrink as a workflow: prepare data, search cells by shrinking, train the best, measure, report.

    snakemake --cores all                                               the default run, params.yaml
    snakemake --cores all --configfile workflow/presets/paper.yaml      with an overlay (or several)
    snakemake --profile workflow/profiles/slurm ...                     on a cluster

The graph is static: how many rounds a search has at most, and how many candidates a round, follows from the parameters,
so a dry run shows the whole plan. A search that ends early carries its last state through the rounds that are left.
Every rule calls one verb of the `autoshrink` command and can be run by hand.
"""

from snakemake.utils import min_version

min_version("9.20")


configfile: "params.yaml"


include: "workflow/rules/plan.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/study.smk"


localrules:
    all,
    start,
    propose,
    select,
    best,
    study,


rule all:
    """Both searches, both final models, their metrics and the report."""
    default_target: True
    input:
        expand(REPORT, name=REPORT_FILES),


onstart:
    begin()


onsuccess:
    logger.info(
        f"\nDone. Look at {RESULTS}/report/, first at {LOOK_AT}",
        extra={"farewell": True},
    )

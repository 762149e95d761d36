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


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/study.smk"


# jobs elsewhere run other rules, and need no storage plugin
if PLAN.parameters.paths.storage is not None and not IS_JOB:

    include: "workflow/rules/storage.smk"


preflight.environment(
    PLAN.parameters,
    Path(str(workflow.current_basedir)) / "workflow" / "bin",
    is_job=IS_JOB,
)
if not (IS_JOB or workflow.dryrun or workflow.touch):
    preflight.or_exit(preflight.mend, PLAN.parameters)
    # `onstart` of a module is never called
    if len(workflow.modifier_stack) > 1:
        preflight.or_exit(
            preflight.begin, PLAN.parameters, questions.training_resources(workflow)
        )


localrules:
    all,
    start,
    propose,
    select,
    finalists,
    best,
    choose_rate,
    study,


rule all:
    """Both searches, both final models, their metrics and the report."""
    default_target: True
    input:
        [RUN.report / name for name in REPORT_FILES],
        RUN.report_record,


onstart:
    preflight.or_exit(user_files.check, workflow)
    preflight.announce_attempts(workflow.execution_settings.retries)
    preflight.or_exit(
        preflight.begin,
        PLAN.parameters,
        questions.training_resources(workflow),
        questions.to_prepare(workflow),
    )
    if workflow.local_exec:
        resident.start(PLAN.parameters)
    # Snakemake 9.27 sets itself a limit of 100 job starts a second, and watches it by a timer per finished job, each of
    # which selects jobs anew every second: in a study of a thousand jobs a quarter of two cores. No option takes the limit
    # away, and a longer time span than a second keeps Snakemake alive that long after its last job.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    page = RUN.report / REPORT_FILES[0]
    where = f" Look at {RUN.report}/, first at {page}" if page.exists() else ""
    logger.info(f"\nDone.{where}", extra={"farewell": True})
    for line in preflight.or_exit(preflight.verdicts, PLAN.verdicts()):
        logger.info(line, extra={"farewell": True})

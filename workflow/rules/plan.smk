"""What all rules share: the validated parameters, where artifacts lie, and which of them the parameters ask for.

in:   config (params.yaml and its overlays)
out:  RESULTS/params/params-DIGEST.yaml, the snapshot that every job reads, so that editing params.yaml during a run
      changes nothing that is under way
"""

import json
import os
import sys
from functools import cache
from pathlib import Path

from autoshrink import params
from autoshrink.tasks import sizes, sources
from autoshrink.errors import UserError
from autoshrink.lineage import graph, repair, verify
from autoshrink.params import budget
from autoshrink.params.base import Task
from autoshrink.params.root import DATASET_NAME
from autoshrink.params.slices import slice_of
from autoshrink.report import outputs
from autoshrink.search import rounds


def or_exit(step):
    """Return what ``step`` returns; a user's mistake ends Snakemake here, in one line each and before any job."""
    try:
        return step()
    except UserError as error:
        sys.exit("\n".join(f"snakemake: {line}" for line in str(error).splitlines()))


# read anew, because Snakemake merges overlays in another way: a data set whose source changes must be replaced whole
OVERLAYS = [Path(file) for file in workflow.config_settings.configfiles]
SETTINGS = [
    f"{key}={json.dumps(value)}"
    for key, value in (workflow.config_settings.config or {}).items()
]
# a cluster job parses this file anew: it takes the snapshot of the run that submitted it, whatever params.yaml says now
SUBMITTED = (
    None if workflow.is_main_process else os.environ.get("AUTOSHRINK_PARAMS") or None
)
PARAMETERS = or_exit(
    lambda: (
        params.load([Path(SUBMITTED)])
        if SUBMITTED
        else params.load([Path("params.yaml"), *OVERLAYS], SETTINGS)
    )
)
DATA = PARAMETERS.paths.data
STORE = PARAMETERS.paths.store
RESULTS = PARAMETERS.paths.results


def mend():
    """Set aside what does not match its record any more, so that it is made again; Snakemake itself looks at times only.

    Only under tools/run.py, whose lock says that no other run is at work on these results.
    """
    if workflow.dryrun or workflow.touch or not Path(RESULTS).is_dir():
        return
    run = graph.read(Path(RESULTS))
    for line in repair.repair(run, verify.verify(run)):
        print(f"snakemake: {line}", file=sys.stderr)


if workflow.is_main_process and "AUTOSHRINK_RUN_FOLDER" in os.environ:
    or_exit(mend)

# what steps are started with lies beside the rules: `logged`, `gpus`, `launch`
os.environ.update(
    PATH=f"{Path(workflow.basedir, 'workflow', 'bin')}{os.pathsep}{os.environ.get('PATH', '')}"
)

# what every step reads; a step's job on a cluster parses this file anew and cannot be told in another way
SNAPSHOT = str(params.frozen_path(PARAMETERS, Path(RESULTS) / "params"))
if workflow.is_main_process:
    os.environ.update(AUTOSHRINK_PARAMS=SNAPSHOT)


def begin():
    """Look for the raw data of what is not prepared yet, and write the parameters' snapshot; not done in a dry run.

    Mistakes of an earlier run are forgotten: somebody may have mended them.
    """
    for mistake in Path(LOGS).rglob("*.mistake"):
        mistake.unlink()
    prepared = {
        name
        for name in PARAMETERS.used_datasets
        if Path(MANIFEST.format(dataset=name)).exists()
    }
    or_exit(lambda: sources.check(PARAMETERS, prepared))
    or_exit(lambda: sizes.check(PARAMETERS))
    params.freeze(PARAMETERS, Path(RESULTS) / "params")
    # Snakemake 9.27 watches its limit on job starts by a timer for every finished job, each of which selects jobs anew every
    # second: in a study of a thousand jobs a quarter of two cores. The limit set unasked, 100 a second, is no use here.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


MANIFEST = f"{DATA}/{{dataset}}/manifest.json"
SEARCH = f"{RESULTS}/{{task}}/{{search}}"
ROUND = f"{SEARCH}/round-{{round}}"
REPORT = f"{RESULTS}/report/{{name}}"
KNOWN_NETWORKS = f"{RESULTS}/report/known-networks.json"
REPORT_FILES = outputs(PARAMETERS)
LOOK_AT = REPORT.format(name=REPORT_FILES[0])
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
SEARCHES = [
    (task, str(name))
    for task in PARAMETERS.tasks
    for name in rounds.searches(PARAMETERS, task)
]


wildcard_constraints:
    task="cnn|rnn",
    search=r"[a-z_-]+-\d+",
    round=r"\d\d+",
    job=r"\d+",
    dataset=DATASET_NAME,


@cache
def plan(task, search):
    """Return, for each round of a search, the slots of each of its evaluation jobs."""
    strategy = rounds.SearchName.parse(task, search).strategy
    return or_exit(lambda: rounds.plan(PARAMETERS, Task(task), strategy))


def previous_round(wildcards):
    """Return the state that a round starts from."""
    before = int(wildcards.round) - 1
    return f"{SEARCH}/round-{before:02d}/round.json".format(**wildcards)


def all_rounds(wildcards):
    """Return the states of all rounds of a search, the start left out."""
    return [
        f"{SEARCH}/round-{number:02d}/round.json".format(**wildcards)
        for number, _ in enumerate(plan(wildcards.task, wildcards.search), 1)
    ]


def evaluations(wildcards):
    """Return what the evaluation jobs of a round write."""
    jobs = plan(wildcards.task, wildcards.search)[int(wildcards.round) - 1]
    return [
        f"{ROUND}/evaluations-{job}.json".format(**wildcards)
        for job, _ in enumerate(jobs)
    ]


def slots(wildcards):
    """Return the slots of an evaluation job as the command line takes them."""
    job = plan(wildcards.task, wildcards.search)[int(wildcards.round) - 1][
        int(wildcards.job)
    ]
    return f"{job.start}:{job.stop}"


def manifest_of(recipe):
    """Return an input function: the data that ``proxy`` or ``training`` names for the task."""
    return lambda wildcards: MANIFEST.format(
        dataset=getattr(getattr(PARAMETERS, recipe), wildcards.task).dataset
    )


def vectors_of(recipe):
    """Return an input function: the pre-trained vectors, if any, that ``proxy`` or ``training`` names for the task."""
    return lambda wildcards: [
        str(file)
        for file in or_exit(
            lambda: sources.vectors(PARAMETERS, recipe, Task(wildcards.task))
        )
    ]


def trigger(step):
    """Return a params function: the parameters a step depends on; when they change, the step runs again."""
    return lambda wildcards: slice_of(PARAMETERS, step, Task(wildcards.task))


def resource(kind, step):
    """Return a resource function: what the step needs by the parameters, more on each new attempt."""
    return lambda wildcards, attempt: budget.of(
        PARAMETERS, step, wildcards.get("task"), attempt
    )[kind]


CATEGORIES = {"cnn": "CNN search", "rnn": "RNN search"}


def in_report(name):
    """Return an output of the report, marked for Snakemake's own report with the caption of its kind."""
    path = Path(name)
    if path.suffix not in (".svg", ".csv", ".html"):
        return REPORT.format(name=name)
    return report(
        REPORT.format(name=name),
        caption=f"../report/{path.stem}.rst",
        category=CATEGORIES.get(path.parts[0], "The run"),
        labels={"what": path.stem, "file": path.suffix.removeprefix(".")},
    )


STUDY = f"{RESULTS}/study/{{task}}"
STUDY_FILES = ["study.json", "study.csv", "study.md", "anytime.svg", "answers.svg"]


def studied(kind):
    """Return an input function: the rounds, or the metrics, of all searches that the study compares."""

    def of(wildcards):
        found = []
        for name in rounds.study_searches(PARAMETERS, Task(wildcards.task)):
            place = SEARCH.format(task=wildcards.task, search=name)
            if kind == "metrics":
                found.append(f"{place}/metrics.json")
                continue
            count = len(plan(wildcards.task, str(name)))
            found += [
                f"{place}/round-{number:02d}/round.json"
                for number in range(1, count + 1)
            ]
        return found

    return of

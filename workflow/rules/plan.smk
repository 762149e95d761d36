"""What all rules share: the validated parameters, where artifacts lie, and which of them the parameters ask for.

in:   config (params.yaml and its overlays)
out:  RESULTS/params/params-DIGEST.yaml, the snapshot that every job reads, so that editing params.yaml during a run
      changes nothing that is under way
"""

import os
import sys
from functools import cache
from pathlib import Path

from autoshrink import params, sources
from autoshrink.errors import UserError
from autoshrink.lineage import graph, repair, verify
from autoshrink.params import budget
from autoshrink.params.base import Task
from autoshrink.params.slices import slice_of
from autoshrink.report import outputs
from autoshrink.search import rounds


def or_exit(step):
    """Return what ``step`` returns; a user's mistake ends Snakemake here, in one line each and before any job."""
    try:
        return step()
    except UserError as error:
        sys.exit("\n".join(f"snakemake: {line}" for line in str(error).splitlines()))


PARAMETERS = or_exit(
    lambda: params.loading.validate(
        config, " + ".join(["params.yaml", *map(str, workflow.configfiles)])
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

# a cluster job parses this file anew: it takes the snapshot of the run that submitted it, whatever params.yaml says now
PARAMS = os.environ.get("AUTOSHRINK_PARAMS", "")
if workflow.is_main_process or not PARAMS:
    PARAMS = str(params.frozen_path(PARAMETERS, Path(RESULTS) / "params"))
    os.environ["AUTOSHRINK_PARAMS"] = PARAMS


def begin():
    """Look for the raw data of what is not prepared yet, and write the parameters' snapshot; not done in a dry run."""
    prepared = {
        name
        for name in PARAMETERS.used_datasets
        if Path(MANIFEST.format(dataset=name)).exists()
    }
    or_exit(lambda: sources.check(PARAMETERS, prepared))
    params.freeze(PARAMETERS, Path(RESULTS) / "params")


# log everything, and show a failed step's last line without anyone having to look for the log
LOGGED = "> {log} 2>&1 || {{ tail -n 1 {log} >&2; exit 1; }}"

# starts a training once per GPU, over all nodes of its job
LAUNCH = Path(workflow.basedir) / "workflow/launch"

MANIFEST = f"{DATA}/{{dataset}}/manifest.json"
SEARCH = f"{RESULTS}/{{task}}/{{search}}"
ROUND = f"{SEARCH}/round-{{round}}"
REPORT = f"{RESULTS}/report/{{name}}"
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
    dataset=r"[^/]+",


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


def trigger(step):
    """Return a params function: the parameters a step depends on; when they change, the step runs again."""
    return lambda wildcards: slice_of(PARAMETERS, step, Task(wildcards.task))


def resource(kind, step):
    """Return a resource function: what the step needs by the parameters, more on each new attempt."""
    return (
        lambda wildcards, attempt: budget.of(PARAMETERS, step, wildcards.get("task"))[
            kind
        ]
        * attempt
    )

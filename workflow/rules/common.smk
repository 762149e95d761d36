"""What all rules share: the run's plan and layout (autoshrink.workflow), and how rules ask them.

Commands read the parameters' snapshot, which they know from the environment: as a parameter of a rule its path would make
every step run again after any change, and a variable of this file is not seen where the workflow is used as a module.
"""

from pathlib import Path

from autoshrink.cli import preflight
from autoshrink.params.base import Task
from autoshrink.params.root import DATASET_NAME
from autoshrink.report import outputs
from autoshrink.search.rounds import SEARCH_NAME
from autoshrink.tasks import address, availability

IS_JOB = not workflow.is_main_process
PLAN = preflight.or_exit(
    preflight.plan,
    workflow.config_settings.configfiles,
    workflow.config_settings.config,
    is_job=IS_JOB,
)
RUN = PLAN.layout
SEARCH = RUN.search("{task}", "{search}")
ROUND = SEARCH.round("{round}")
REPORT_FILES = outputs(PLAN.parameters)
CATEGORIES = {task.value: f"{task.name} search" for task in Task}


wildcard_constraints:
    task="|".join(Task),
    search=SEARCH_NAME,
    round=r"\d\d+",
    job=r"\d+",
    network=r"[A-Za-z0-9_.-]+",
    training=r"(seed|rate)-\d+",
    dataset=DATASET_NAME,
    address=f"[0-9a-f]{{{address.LENGTH}}}",


def planned(question, *arguments):
    """Return an input or params function: what the plan answers for the step's wildcards."""
    return lambda wildcards: preflight.or_exit(question, *arguments, **wildcards)


def trigger(verb):
    """Return a params function: the parameters a step depends on; when they change, the step runs again."""
    return lambda wildcards: PLAN.slice(
        verb, wildcards.get("task"), wildcards.get("dataset")
    )


def code(verb):
    """Return a params function: the digest of the code that a step's results depend on; likewise."""
    return lambda wildcards: PLAN.code(
        verb, wildcards.get("task"), wildcards.get("dataset")
    )


def resource(kind, verb):
    """Return a resource function: what a step needs by the parameters, more on each new attempt."""
    return lambda wildcards, attempt: PLAN.resource(
        kind, verb, wildcards.get("task"), attempt
    )


def training_resources():
    """Return the resources of the rule ``train``; none where another workflow has left it out."""
    name = workflow.modifier.modify_rulename("train")
    return workflow.get_rule(name).resources if workflow.is_rule(name) else {}


def vectors(recipe):
    """Return an input function: the pre-trained vectors, if any, that ``proxy`` or ``training`` names for the task."""
    return lambda wildcards: preflight.or_exit(
        availability.side_inputs, PLAN.parameters, recipe, Task(wildcards.task)
    )


def in_report(name):
    """Return an output of the report, marked for Snakemake's own report with the caption of its kind."""
    path = Path(name)
    if path.suffix not in (".svg", ".csv", ".html"):
        return RUN.report / name
    return report(
        RUN.report / name,
        caption=f"../report/{path.stem}.rst",
        category=CATEGORIES.get(path.parts[0], "The run"),
        labels={"what": path.stem, "file": path.suffix.removeprefix(".")},
    )

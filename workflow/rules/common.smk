"""What all rules share: the run's plan and layout (autoshrink.workflow), and the functions that ask them (autoshrink.cli.rules).

Commands read the parameters' snapshot, whose path the environment names: as a parameter of a rule it would make every
step run again after any change, and a variable of this file is not seen where the workflow is used as a module.
"""

from pathlib import Path

from autoshrink.cli import preflight, resident, rules as questions, user_files
from autoshrink.params.root import DATASET_NAME
from autoshrink.report import outputs
from autoshrink.search.rounds import SEARCH_NAME
from autoshrink.tasks import address

IS_JOB = not workflow.is_main_process
PLAN = preflight.or_exit(
    preflight.plan,
    workflow.config_settings.configfiles,
    workflow.config_settings.config,
    is_job=IS_JOB,
)
RUN, ASK = PLAN.layout, questions.Rules(PLAN, workflow)
planned, trigger, code, cpus = ASK.planned, ASK.trigger, ASK.code, ASK.cpus
resource, manifest, vectors = ASK.resource, ASK.manifest, ASK.vectors
SEARCH = RUN.search("{task}", "{search}")
ROUND = SEARCH.round("{round}")
# one submission for all rounds of a search, where that is wanted; on one machine Snakemake takes no notice of groups
ROUNDS = "{task}-{search}" if PLAN.parameters.search.job == "whole" else None
REPORT_FILES = outputs(PLAN.parameters)
CATEGORIES = {task.value: f"{task.name} search" for task in questions.Task}


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


# of the rules that follow
if PLAN.parameters.compute.container is not None:

    container: PLAN.parameters.compute.container


wildcard_constraints:
    task="|".join(questions.Task),
    search=SEARCH_NAME,
    round=r"(?!00)\d\d+",  # round 0 is what `start` writes
    job=r"\d+",
    network=r"[A-Za-z0-9_.-]+",
    training=r"(seed|rate)-\d+",
    dataset=DATASET_NAME,
    address=f"[0-9a-f]{{{address.LENGTH}}}",

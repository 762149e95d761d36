"""The parameters that each step depends on, for Snakemake's staleness checks and for lineage."""

from autoshrink.files.artifacts import Json
from autoshrink.params.base import Task
from autoshrink.params.root import Parameters
from autoshrink.params.sections import sections_of
from autoshrink.workflow.steps import STEPS

FINAL_NETWORK = ("dataset", "network", "image_size")
"""Keys of a full recipe that say what its network costs."""


def slice_of(parameters: Parameters, verb: str, task: Task | None = None, dataset: str | None = None) -> Json:
    """Return the parameters that the step ``verb`` depends on, as nested JSON values.

    ``task`` is the step's task, ``dataset`` the name that ``prepare`` prepares. What a step runs on (``compute``)
    and where files are (``paths``) are no part of it; nor is what reaches it through its input files. A section that
    ``steps`` names is taken whole for the task, so that a parameter added to it is never overlooked: a step that
    needlessly runs again writes the same bytes, and nothing after it runs.
    """
    sections = STEPS[verb].sections
    if not sections:
        return {}
    values = parameters.model_dump(mode="json")
    if verb == "prepare":
        assert dataset is not None
        return {"seed": values["seed"], "datasets": {dataset: values["datasets"][dataset]}}
    if verb == "report":
        return {name: values[name] for name in ("seed", *sections)}
    assert task is not None
    found: Json = {"seed": values["seed"]}
    for section in sections:
        of_task = isinstance(values[section], dict) and task.value in values[section]
        found[section] = {task.value: values[section][task.value]} if of_task else values[section]
    if verb in ("evaluate", "repeat"):
        objective = getattr(parameters.search, task.value).objective
        # which costs are measured, and which limits are found impossible, is the objective's to say; nothing else is
        del found["search"]
        if objective.is_limited or objective.needs_measuring or objective.budget is not None:
            found["search"] = {task.value: {"objective": values["search"][task.value]["objective"]}}
        if objective.budget is not None:
            # the final network is what the budget is of
            recipe = values["training"][task.value]
            found["training"] = {task.value: {key: recipe[key] for key in FINAL_NETWORK if key in recipe}}
        finalists = getattr(parameters.search, task.value).finalists
        if verb == "repeat" and finalists is not None and finalists.recipe == "final":
            found["training"] = {task.value: values["training"][task.value]}
        if not sections_of(task).paper_defects:
            del found["paper_defects"]
    elif verb in ("finalists", "best"):
        of_task = found["search"][task.value]
        kept = {"finalists"} if verb == "finalists" else {"finalists", "objective"}
        found["search"][task.value] = {key: value for key, value in of_task.items() if key in kept}
    elif verb in ("train-reference", "choose-rate"):
        # another reference beside it changes nothing for this one, nor does an earlier choice of rates for its seeds
        del found["references"][task.value]["networks"]
    elif "search" in found:
        found["search"]["strategies"] = values["search"]["strategies"]
        # what comes after the last round
        found["search"][task.value].pop("finalists", None)
        if verb in ("start", "propose"):
            # the objective judges evaluations; proposals do not know it, but whether there are limits to count for
            del found["search"][task.value]["objective"]
            if getattr(parameters.search, task.value).objective.is_limited:
                found["search"][task.value]["is_limited"] = True
    return found

"""Which parameters matter to which step: what Snakemake compares to see what is stale, and what lineage records."""

from typing import Any

from autoshrink.params.base import Task
from autoshrink.params.root import Parameters

# The step reads of its task's sections only these; a section named here is taken whole, so that a parameter added to
# it is never overlooked. A step that needlessly runs again writes the same bytes, and nothing after it runs.
_SECTIONS = {
    "start": ("search",),
    "propose": ("search",),
    "evaluate": ("proxy",),
    "select": ("search", "proxy"),
    "train": ("training",),
    "test": ("training",),
    "study": ("search",),
}


def slice_of(parameters: Parameters, verb: str, task: Task | None = None, dataset: str | None = None) -> dict[str, Any]:
    """Return the parameters that the step ``verb`` depends on, as nested JSON values.

    ``task`` is the step's task, ``dataset`` the name that ``prepare`` prepares. What a step runs on (``compute``)
    and where files are (``paths``) are no part of it; nor is what reaches it through its input files.
    """
    values = parameters.model_dump(mode="json")
    if verb == "best":
        return {}
    if verb == "prepare":
        assert dataset is not None
        return {"seed": values["seed"], "datasets": {dataset: values["datasets"][dataset]}}
    if verb == "report":
        return {key: value for key, value in values.items() if key not in ("compute", "paths")}
    assert task is not None
    found: dict[str, Any] = {"seed": values["seed"]}
    for section in _SECTIONS[verb]:
        found[section] = {task.value: values[section][task.value]}
    if "search" in found:
        found["search"]["strategies"] = values["search"]["strategies"]
    if verb in ("start", "propose"):
        # the objective judges evaluations; proposals do not know it
        del found["search"][task.value]["objective"]
    if verb == "study":
        found["study"] = values["study"]
    objective = (parameters.search.cnn if task is Task.CNN else parameters.search.rnn).objective
    if verb == "evaluate" and (objective.limits or objective.needs_measuring):
        # which costs are measured, and which limits are found impossible, is the objective's to say; nothing else is
        found["search"] = {task.value: {"objective": values["search"][task.value]["objective"]}}
    if verb == "evaluate" and task is Task.CNN:
        found["paper_defects"] = values["paper_defects"]
    return found

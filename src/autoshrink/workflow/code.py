"""Digest of each step's code; a step whose code changed is out of date."""

from autoshrink.params.base import Task
from autoshrink.runtime import code
from autoshrink.tasks.code import roots
from autoshrink.workflow.steps import STEPS


def code_of(verb: str, task: Task | None) -> str | None:
    """Return the digest of the code that a step's results depend on; None where that is not known (no task given)."""
    step = STEPS[verb]
    if step.task_methods and task is None:
        return None
    of_task = roots(task, *step.task_methods) if task is not None and step.task_methods else []
    return code.digest(*step.code, *of_task)

"""Digest of a task's code: of the definitions that methods of its ``TaskSpec`` reach."""

from collections.abc import Iterable

from autoshrink.params.base import Task
from autoshrink.runtime import code
from autoshrink.tasks.spec import spec_of


def roots(task: Task, *methods: str) -> list[str]:
    """Return where the methods of a task's description stand, as ``runtime.code`` takes them."""
    found = [getattr(type(spec_of(task)), method) for method in methods]
    return [f"{method.__module__}:{method.__qualname__}" for method in found]


def digest(task: Task, *methods: str, operators: Iterable[str] = ()) -> str:
    """Return the digest of the code that a task's methods reach, and that of other packages' ``operators``."""
    outside = spec_of(task).offered_operators()
    return code.digest(*roots(task, *methods), *sorted({outside[name] for name in operators if name in outside}))


def evaluator(task: Task, method: str, *, operators: Iterable[str] = ()) -> str:
    """Return the digest of the code that the numbers of an evaluation of a cell of these operators depend on.

    ``method`` of the task's description evaluates: ``trial``, ``edge_trial``, ``zero_cost`` or ``train``.
    """
    return digest(task, "load", "draw", "to_device", method, operators=operators)

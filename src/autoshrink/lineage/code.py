"""Find the steps of a run that were made by other code than the present."""

from collections import Counter
from collections.abc import Iterable

from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.params.base import Task
from autoshrink.workflow.code import code_of
from autoshrink.workflow.steps import STEPS


def made_by_other(run: Run) -> list[Record]:
    """Return the records of the run's finished steps whose code has changed since; those that name no code count."""
    return [
        record
        for record in run.records.values()
        if record.path.is_relative_to(run.results) or record.verb == "prepare"
        if record.verb in STEPS and not _is_now(record)
    ]


def in_words(steps: Iterable[Record]) -> str:
    """Return how many of each step there are, such as ``3 evaluate, 1 train``."""
    count = Counter(record.verb for record in steps)
    return ", ".join(f"{count[verb]} {verb}" for verb in STEPS if count[verb])


def _is_now(record: Record) -> bool:
    task = record.facts.task
    # a data set's record does not name its task
    tasks = [Task(task)] if task in list(Task) else [None, *Task]
    made = record.facts.code.step
    return made is not None and made in {code_of(record.verb, each) for each in tasks}

"""Anytime traces: the best score of a search against its cost."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.records.metrics import FinalMetrics
from autoshrink.records.proposal import in_full
from autoshrink.records.record import Numbers
from autoshrink.records.round import Round
from autoshrink.search import rounds
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import SearchFolder


@dataclass(frozen=True)
class Trace:
    """One search, evaluation by evaluation.

    ``spent[i]`` are the candidate-epochs spent up to evaluation i, and ``best[i]`` the score of the best cell that
    could be the answer then, None before there is one. An evaluation counts what it took to make, also where it was
    re-used, so that strategies sharing a store are compared at equal cost. ``trained`` counts candidates trained in
    full. ``quality`` is the final model's: test accuracy or perplexity of the answer, None where it was not measured.
    ``missing`` counts proposals that a table lacks. ``costs`` are what a table says that the answer costs.
    """

    strategy: str
    seed: int
    spent: tuple[int, ...]
    best: tuple[float | None, ...]
    trained: int
    quality: float | None
    missing: int = 0
    costs: Numbers | None = field(default=None, compare=False)

    @property
    def total(self) -> int:
        """All the candidate-epochs that the search spent."""
        return self.spent[-1] if self.spent else 0

    @property
    def answer(self) -> float | None:
        """The score of the search's answer, None where it has none."""
        return self.best[-1] if self.best else None

    def at(self, budget: float) -> float | None:
        """Return the best score found by ``budget`` candidate-epochs, None where there was none yet."""
        index = bisect_right(self.spent, budget)
        return self.best[index - 1] if index else None


@dataclass(frozen=True)
class Event:
    """One evaluation: the epochs it took, the score (None: not finite, or no training in full), whether it may be the
    answer."""

    epochs: int
    score: float | None
    full: bool
    allowed: bool


def trace(name: rounds.SearchName, events: Iterable[Event], quality: float | None) -> Trace:
    """Return the trace of a search whose evaluations were ``events``, in order."""
    spent, best, trained = [], [], 0
    total, leader = 0, None
    for event in events:
        total += event.epochs
        trained += event.full
        if event.full and event.allowed and event.score is not None and (leader is None or event.score > leader):
            leader = event.score
        spent.append(total)
        best.append(leader)
    return Trace(name.strategy, name.seed, tuple(spent), tuple(best), trained, quality)


def read(folder: SearchFolder, name: rounds.SearchName, count: int) -> Trace:
    """Return the trace of a finished search of ``count`` rounds. Raises ArtifactError, naming the file."""
    paths = [folder.round(number).state for number in range(1, count + 1)]
    events = [event for path in paths for event in _events(path, name)]
    return trace(name, events, _quality(folder.metrics, name))


def _events(path: Path, name: rounds.SearchName) -> list[Event]:
    return [
        Event(item.epochs, item.score, in_full(item.fidelity), item.violation == 0)
        for item in rounds.read(Round, path, name).candidates
    ]


def _quality(path: Path, name: rounds.SearchName) -> float | None:
    if not path.exists():
        return None
    key = spec_of(name.task).metric.test
    metrics = rounds.read(FinalMetrics, path, name).metrics
    if key not in metrics:
        raise ArtifactError(f"{path}: has no {key}; remove it to regenerate it")
    return metrics[key]

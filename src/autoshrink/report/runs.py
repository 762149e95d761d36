"""Read a finished run from its artifacts, for tables, figures and the page."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoshrink.cells.cell import Cell, Edge
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import agreement
from autoshrink.params.base import Task
from autoshrink.records import evaluation as evaluations
from autoshrink.records import round as finished
from autoshrink.records.best import Best, Finals
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.history import TrainingHistory
from autoshrink.records.known_networks import CountedNetwork, KnownNetworks
from autoshrink.records.metrics import FinalMetrics, TestDetails
from autoshrink.records.predictions import NoPredictions, Predictions
from autoshrink.records.proposal import Changes, Fidelity, in_full
from autoshrink.records.timing import SlotTiming, StepTiming
from autoshrink.search import rounds as search_rounds
from autoshrink.search.rounds import SearchName
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import RoundFolder, SearchFolder


@dataclass(frozen=True)
class EvaluatedCell:
    """One candidate of one round, with its evaluation.

    ``metric`` is validation accuracy in [0, 1] (CNN) or validation perplexity (RNN), None after a diverged training.
    ``fidelity`` says how it was judged where that was less than a full training, and ``violation`` by how much it
    exceeds the hard limits, 0 within them.
    ``digest`` is the sha256 of ``evaluation``.
    ``device_seconds`` is what its training took, whenever that was; ``reused``: the store had it before this run asked.
    """

    round: int
    slot: int
    cell: Cell
    origin: str
    removed: tuple[Edge, ...]
    score: float | None
    metric: float | None
    costs: Mapping[str, float]
    early_stop: str | None
    fidelity: Fidelity | None
    violation: float
    evaluation: Evaluation
    digest: str
    device_seconds: float | None
    reused: bool


@dataclass(frozen=True)
class Round:
    """A finished round: the cell it ended with, what it tried, the slot it went on from, and which edges fell.

    ``taken`` is None where the round only chose who is looked at more closely, or where nothing had a finite score.
    """

    number: int
    cell: Cell
    stopped: str | None
    candidates: tuple[EvaluatedCell, ...]
    taken: int | None
    fell: tuple[Edge, ...]

    @property
    def winner(self) -> EvaluatedCell | None:
        """The candidate that the round went on from."""
        return None if self.taken is None else self.candidates[self.taken]


@dataclass(frozen=True)
class Search:
    """One search of a run: its rounds from the start on, and its answer.

    ``metrics`` are the final model's on the test split, ``predictions`` what it makes of that split's examples,
    ``training`` the history of its training; None where not there. ``finals`` says how finalists decided the answer,
    None where there were none, and ``repeats`` what their evaluations took, by key.
    """

    name: SearchName
    rounds: tuple[Round, ...]
    best_round: int
    best_slot: int
    metrics: FinalMetrics | None
    training: TrainingHistory | None
    predictions: Predictions = field(default_factory=NoPredictions)
    finals: Finals | None = None
    repeats: Mapping[str, float | None] = field(default_factory=dict)
    changes: Changes = field(default_factory=dict)
    """What the network that finalists chose has other than the recipes'."""

    @property
    def deviation(self) -> tuple[float | None, float | None]:
        """Standard deviation of one evaluation's score and of its metric, the same cell under several seeds; None where
        finalists did not measure them by the rounds' recipe."""
        if self.finals is None or self.finals.epochs is not None or self.finals.recipe is not None:
            return None, None
        return self.finals.score_deviation, self.finals.quality_deviation

    @property
    def task(self) -> Task:
        """Which task it is for."""
        return self.name.task

    @property
    def candidates(self) -> list[EvaluatedCell]:
        """Every candidate, in the order of rounds and slots."""
        return [candidate for item in self.rounds for candidate in item.candidates]

    @property
    def trained(self) -> list[EvaluatedCell]:
        """Those that were trained in full, whose numbers can be compared with each other."""
        return [candidate for candidate in self.candidates if in_full(candidate.fidelity)]

    @property
    def best(self) -> EvaluatedCell:
        """The answer."""
        return self.rounds[self.best_round].candidates[self.best_slot]

    @property
    def start(self) -> Cell:
        """The cell it started from."""
        return self.rounds[0].cell

    @property
    def shrinks(self) -> bool:
        """Whether every round left fewer edges than the one before, so that edges left can tell rounds apart."""
        sizes = [len(item.cell.wires) for item in self.rounds]
        return all(after < before for before, after in itertools.pairwise(sizes))

    @property
    def device_hours(self) -> float | None:
        """What its evaluations took, re-used ones counted as if made here and each one once; None where that is not
        known.

        So the cost of a search does not depend on what a store already held.
        """
        spent = {candidate.evaluation.key: candidate.device_seconds for candidate in self.candidates} | dict(
            self.repeats
        )
        known = [seconds for seconds in spent.values() if seconds is not None]
        return sum(known) / 3600 if len(known) == len(spent) else None

    @property
    def size(self) -> int:
        """How many node numbers there are: one more than the greatest of any cell."""
        return 1 + max(max(cell.nodes) for cell in [self.start, *(item.cell for item in self.candidates)])


def read_search(folder: SearchFolder, name: SearchName, rounds: int | None = None) -> Search:
    """Read one search's folder: rounds 0..``rounds``, or as many as there are. Raises ArtifactError with the file."""
    if rounds is None:
        rounds = max(0, len(list(folder.finished_rounds())) - 1)
    read = tuple(_read_round(folder.round(number), name) for number in range(rounds + 1))
    # rounds that only carry a stopped search's state on have nothing to show
    last = max((item.number for item in read if item.candidates), default=0)
    path = folder.best
    best = search_rounds.read(Best, path, name)
    number, slot = best.round, best.slot
    there = [item.evaluation.key for item in read[number].candidates] if number <= last else []
    if best.evaluation not in there[slot : slot + 1]:
        raise ArtifactError(f"{path}: names a candidate that round {number} does not have; remove it to regenerate it")
    metrics = search_rounds.read(FinalMetrics, folder.metrics, name) if folder.metrics.exists() else None
    training = TrainingHistory.read(folder.model.history) if folder.model.history.exists() else None
    details = folder.test_details
    shown = search_rounds.read(TestDetails, details, name).details if details.exists() else NoPredictions()
    repeats = _read_repeats(folder.finalists) if best.finalists else {}
    return Search(name, read[: last + 1], number, slot, metrics, training, shown, best.finalists, repeats, best.changes)


def read_all(results: Path) -> list[Search]:
    """Read every finished search (one with a ``best.json``) of a results folder whose parameters are not at hand.

    Raises ArtifactError when there is none.
    """
    found = [
        read_search(SearchFolder(path.parent), SearchName.parse(task.value, path.parent.name))
        for task in Task
        for path in sorted((results / task.value).glob("*-*/best.json"))
    ]
    if not found:
        raise ArtifactError(f"{results}: holds no finished search (TASK/SEARCH/best.json); run its pipeline first")
    return found


def read_known_networks(path: Path) -> tuple[CountedNetwork, ...]:
    """Return the rows of the counted networks to compare with. Raises ArtifactError where they were not counted."""
    if not path.exists():
        raise ArtifactError(
            f"{path}: missing, and report.known_networks asks for it; make it by "
            f"`autoshrink known-networks --out {path}`, or set report.known_networks to false"
        )
    return KnownNetworks.read(path).rows


def set_aside(folders: Sequence[Path]) -> list[str]:
    """Return the damaged or foreign files that were set aside anywhere in these folders."""
    patterns = ("*.damaged-*", "*.foreign-*")
    return sorted({str(path) for folder in folders for pattern in patterns for path in folder.rglob(pattern)})


def _read_round(folder: RoundFolder, name: SearchName) -> Round:
    path = folder.state
    content = search_rounds.read(finished.Round, path, name)
    found, timing = _read_evaluations(folder) if content.candidates else ({}, {})
    metric = spec_of(name.task).metric.name
    candidates = []
    for item in content.candidates:
        evaluation = found.get(item.slot)
        if evaluation is None or evaluation.key != item.evaluation:
            raise ArtifactError(
                f"{path}: slot {item.slot} was scored by an evaluation that evaluations-*.json beside it lacks; "
                "remove the round's files to have it made again"
            )
        took = timing.get(item.slot)
        candidates.append(
            EvaluatedCell(
                content.round,
                item.slot,
                item.cell,
                item.origin,
                item.removed,
                item.score,
                item.metrics.get(metric),
                item.costs,
                item.early_stop,
                item.fidelity,
                item.violation,
                evaluation,
                artifacts.digest_of(evaluation.to_json()),
                took.device_seconds if took else None,
                took is not None and took.reused,
            )
        )
    state = content.state
    return Round(content.round, state.cell, state.stopped, tuple(candidates), content.taken, content.fell)


def _read_repeats(folder: RoundFolder) -> dict[str, float | None]:
    """Return what each evaluation of finalists took."""
    spent: dict[str, float | None] = {}
    for path in folder.written_evaluations():
        took = StepTiming.beside(path).slots or {}
        for slot, found in evaluations.EvaluationJob.read(path).evaluations.items():
            spent[found.key] = took[slot].device_seconds if slot in took else None
    return spent


def _read_evaluations(folder: RoundFolder) -> tuple[dict[int, Evaluation], dict[int, SlotTiming]]:
    """Return a round's evaluations, and what they took, by slot."""
    paths = folder.written_evaluations()
    agreement.check_files(paths)
    timing: dict[int, SlotTiming] = {}
    for path in paths:
        timing.update({int(slot): took for slot, took in (StepTiming.beside(path).slots or {}).items()})
    return evaluations.read_round(paths), timing

"""Evaluations: a candidate's result on the proxy, under the key of everything it depends on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from autoshrink.cells.cell import Cell, Edge
from autoshrink.errors import ArtifactError
from autoshrink.params.base import Task
from autoshrink.records.record import (
    Count,
    EdgeField,
    Many,
    Metrics,
    Number,
    Numbers,
    Record,
    SealedRecord,
    SearchRecord,
    Sha256,
    TaskName,
    optional,
)

EpochEntry = Mapping[str, Number | bool | None]
"""One epoch of a training: ``epoch``, counted from 0, and its numbers by name; None where one is not finite."""


def _has_epoch(entry: EpochEntry) -> EpochEntry:
    if type(entry.get("epoch")) is not int:
        raise ValueError("an epoch's entry needs its number, epoch")
    return entry


History = Many[Annotated[EpochEntry, AfterValidator(_has_epoch)]]


MEASURED = frozenset({"latency_ms", "activation_bytes", "memory_bytes", "arena_bytes", "flash_bytes", "intensity"})
"""Costs that a job adds to an evaluation because its objective asks for them: they are no part of the store's."""

SlotNumber = Annotated[str, Field(pattern="^[0-9]+$")]


class EdgeGain(Record):
    """An edge that a cell lacks, and by how much adding it is predicted to lower the training loss, nats."""

    edge: EdgeField
    gain: Number | None
    """None where it is not finite."""


class TrialResult(Record):
    """The result of training, or ranking, one candidate."""

    metrics: Metrics
    """The candidate's quality: ``accuracy`` in [0, 1] or ``perplexity``, ``loss``, and which epoch they are of."""
    history: History
    stopped: str | None
    """Why training ended before its last epoch."""
    costs: Numbers
    """Of the network that was trained, for one image or word."""
    edges: Annotated[Many[EdgeGain], Field(exclude_if=lambda edges: not edges)] = ()
    """The missing edges' gains, where they were asked for, in the numbers of the cell's canonical form."""


class EvaluationIdentity(Record):
    """Everything an evaluation depends on."""

    evaluator: int | str
    """Digest of the code that its numbers depend on; a number in older files."""
    task: TaskName
    cell: str
    """The cell's key: equal for isomorphic cells."""
    proxy: Mapping[str, JsonValue]
    """The proxy's recipe, or the final training's."""
    recipe: Annotated[Literal["final"] | None, Field(exclude_if=optional)] = None
    """``final`` where the final training's recipe, shortened, made the evaluation on its own data."""
    data: str
    """Digest of the prepared data set's manifest and of what else the recipe reads."""
    seed: int
    defects: Many[str]
    """Defects of the released code that were switched on."""
    numerics: Annotated[str | None, Field(exclude_if=optional)] = None
    """Which kernels computed it; evaluations of evaluator 1 do not say."""
    zero_cost: Annotated[str | None, Field(exclude_if=optional)] = None
    """The measure that judged the untrained network, where nothing was trained."""
    edge_tuning: Annotated[int | None, Field(exclude_if=optional)] = None
    """For how many epochs the weights of missing edges were tuned, where those were scored."""


class Fitted(Record):
    """A candidate's final network, scaled in width until it meets the objective's budget."""

    width: Number
    """What all widths of the recipes are multiplied by, in the proxy as in the final network."""
    network: Mapping[str, JsonValue]
    """The final network's section at that width."""
    changes: Annotated[Mapping[str, JsonValue], Field(exclude_if=lambda changes: not changes)] = {}
    """What the networks had other than the recipes', besides the width."""
    costs: Numbers
    """Of the final network, for one image or word."""
    limits: Numbers
    """The budget."""
    binding: str
    """The cost whose limit is the tightest."""
    margin: Number
    """How far that cost stays below its limit, as a share of it; negative where no width meets the budget."""


class Evaluation(SealedRecord, TrialResult):
    """A candidate's evaluation as the store keeps it."""

    KIND: ClassVar = "evaluation"

    key: Sha256
    """Digest of ``identity``."""
    identity: EvaluationIdentity
    seed: int
    """The seed of the candidate's own draws."""
    fitted: Annotated[Fitted | None, Field(exclude=True)] = None
    """Within a budget, and never in the store: the evaluation depends on the proxy alone. A job's file has it apart."""

    def edge_gains(self, cell: Cell) -> dict[Edge, Number | None]:
        """Return the missing edges' gains in the numbers of ``cell``, which the evaluation is of.

        An edge that goes from a higher to a lower one of them is none that this cell could get, and is left out.
        """
        if not self.edges:
            return {}
        own = {number: node for node, number in cell.canonical_numbers.items()}
        gains = {(own[item.edge[0]], own[item.edge[1]]): item.gain for item in self.edges}
        return {edge: gain for edge, gain in gains.items() if edge[0] < edge[1]}


class EvaluationJob(SearchRecord):
    """What one evaluation job of a round found: whole evaluations, so that a run can be read without its store."""

    KIND: ClassVar = "evaluations"

    round: Count
    repeat: Annotated[Count | None, Field(exclude_if=optional)] = None
    """Of finalists: which of their seeds, from 1."""
    evaluations: Mapping[SlotNumber, Evaluation]
    """By slot of the round's proposal."""
    fitted: Annotated[Mapping[SlotNumber, Fitted], Field(exclude_if=lambda found: not found)] = {}
    """Within a budget: each slot's final network."""

    @classmethod
    def of(
        cls, task: Task, search: str, round: int, by_slot: Mapping[int, Evaluation], repeat: int | None = None
    ) -> "EvaluationJob":
        """Return the record of these evaluations."""
        listed = {str(slot): evaluation for slot, evaluation in sorted(by_slot.items())}
        fitted = {slot: found.fitted for slot, found in listed.items() if found.fitted is not None}
        return cls(task=task, search=search, round=round, repeat=repeat, evaluations=listed, fitted=fitted)

    @property
    def by_slot(self) -> dict[int, Evaluation]:
        """The evaluations by slot."""
        return {
            int(slot): evaluation.model_copy(update={"fitted": self.fitted.get(slot)})
            for slot, evaluation in self.evaluations.items()
        }


def read_round(paths: Iterable[Path]) -> dict[int, Evaluation]:
    """Return the evaluations of a round's jobs by slot. Raises ArtifactError, also where two files share a slot."""
    found: dict[int, Evaluation] = {}
    for path in paths:
        job = EvaluationJob.read(path)
        if twice := found.keys() & job.by_slot.keys():
            raise ArtifactError(f"{path}: slot {min(twice)} is in another file of the round too; remove one of them")
        found.update(job.by_slot)
    return found

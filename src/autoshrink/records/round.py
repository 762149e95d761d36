"""A finished round: every candidate with its score, the selected one, and the state of the search."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from autoshrink.records.evaluation import Fitted
from autoshrink.records.proposal import Fidelity, check_slots
from autoshrink.records.record import (
    CellField,
    Count,
    EdgeField,
    Many,
    Metrics,
    Number,
    Numbers,
    Record,
    SearchRecord,
    Sha256,
    optional,
)


class ScoredSlot(Record):
    """One candidate of a finished round."""

    slot: Count
    cell: CellField
    key: str
    origin: str
    removed: Many[EdgeField]
    fidelity: Fidelity | None
    evaluation: Sha256
    """Key of its evaluation."""
    metrics: Metrics
    epochs: Count
    """Epochs it was trained for, and what its fidelity computes besides."""
    early_stop: str | None
    costs: Numbers
    score: Number | None
    """None where it has no finite one."""
    violation: Number
    """Sum of relative excesses over the hard limits or the budget, 0 within all of them."""
    fitted: Annotated[Fitted | None, Field(exclude_if=optional)] = None
    """Its final network within the budget, where there is one."""


class RoundState(Record):
    """Where a search stands after a round."""

    cell: CellField
    stopped: str | None
    """Why the search has ended."""
    memory: Mapping[str, JsonValue]
    """What the strategy remembers beside the cell."""


class Round(SearchRecord):
    """A finished round; round 0 is the start and has no candidates."""

    KIND: ClassVar = "round"

    round: Count
    state: RoundState
    key: str
    """The key of the state's cell."""
    candidates: Many[ScoredSlot]
    taken: Count | None
    """The slot whose cell the search goes on from."""
    selected: Count | None
    """The same slot where the candidate may be the search's answer: trained in full, within all limits."""
    fell: Many[EdgeField]
    """Edges that the round's starting cell had and the state's lacks."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_slots([item.slot for item in self.candidates])
        for name, slot in (("taken", self.taken), ("selected", self.selected)):
            if slot is not None and slot >= len(self.candidates):
                raise ValueError(f"{name} is slot {slot}, but there are {len(self.candidates)} candidates")
        if self.selected is not None and self.candidates[self.selected].score is None:
            raise ValueError(f"selected is slot {self.selected}, whose candidate has no score")
        return self

    @property
    def answer(self) -> ScoredSlot | None:
        """The candidate that may be the search's answer."""
        return None if self.selected is None else self.candidates[self.selected]

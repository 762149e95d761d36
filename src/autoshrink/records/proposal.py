"""A proposal: the candidates of a round, not yet evaluated."""

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from autoshrink.records.record import CellField, Count, EdgeField, Many, Record, SearchRecord, optional

Changes = Mapping[str, JsonValue]
"""Keys of the recipes' ``network`` that have other values."""
COUNTED = "costs"
"""The ``zero_cost`` of a candidate that is only counted, to see whether it is within the limits."""


class Fidelity(Record):
    """How a candidate is judged where not by the proxy's whole recipe alone. Exactly one of the first three, or
    another recipe, which ``epochs`` may shorten."""

    epochs: Annotated[int | None, Field(ge=1, exclude_if=optional)] = None
    """Training for so many epochs only."""
    zero_cost: Annotated[str | None, Field(exclude_if=optional)] = None
    """A measure of the untrained network."""
    edge_tuning: Annotated[int | None, Field(ge=1, exclude_if=optional)] = None
    """The whole recipe, after which every missing edge is scored, its weights tuned for so many epochs."""

    recipe: Annotated[Literal["final"] | None, Field(exclude_if=optional)] = None
    """``final``: the final training's recipe on its own data, in place of the proxy's."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.recipe is not None and self.zero_cost is None and self.edge_tuning is None:
            return self
        if sum(value is not None for value in (self.epochs, self.zero_cost, self.edge_tuning)) != 1:
            raise ValueError("expected one of epochs, zero_cost and edge_tuning")
        return self

    @property
    def further_epochs(self) -> int:
        """What is computed beside the training, in epochs: tuning, and one at most for scoring."""
        return 0 if self.edge_tuning is None else self.edge_tuning + 1


def in_full(fidelity: Fidelity | None) -> bool:
    """Whether a candidate is trained by the proxy's whole recipe, so that it may be the answer."""
    return fidelity is None or fidelity.edge_tuning is not None


class ProposedSlot(Record):
    """One candidate of a proposal."""

    slot: Count
    cell: CellField
    """As a change to the round's starting cell: nodes keep their numbers."""
    canonical: CellField
    """The representative of all isomorphic cells, which is what is trained."""
    key: str
    origin: str
    """How the candidate was made, in a phrase."""
    removed: Many[EdgeField]
    fidelity: Fidelity | None
    """None: the proxy's whole recipe, and nothing else."""
    network: Annotated[Changes, Field(exclude_if=lambda changes: not changes)] = {}
    """What a finalist's network has other than the recipes', proxy and final network alike."""


class Proposal(SearchRecord):
    """The candidates of one round."""

    KIND: ClassVar = "proposal"

    round: Count
    candidates: Many[ProposedSlot]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_slots([item.slot for item in self.candidates])
        return self


def said(changes: Changes) -> str:
    """Return what a network has other than the recipes' in words, such as ``head_filters 64, stage_cells [1, 2]``."""
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}" for key, value in changes.items()
    )


def check_slots(slots: list[int]) -> None:
    """Raise ValueError unless ``slots`` are 0, 1, 2, ..."""
    if slots != list(range(len(slots))):
        raise ValueError(f"candidates' slots must be 0, 1, 2, ..., found {slots[:8]}")

"""The interface of a search strategy: slots per round, propose, select. State is a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from autoshrink.cells.cell import Cell, Edge
from autoshrink.records.proposal import Fidelity
from autoshrink.records.record import Metrics
from autoshrink.records.round import RoundState
from autoshrink.search.draws import Draws

Memory = Mapping[str, JsonValue]
"""What a strategy remembers from round to round, as it stands in a round's file; the strategy's own type reads it."""


@dataclass(frozen=True)
class State:
    """Where a search stands after a round. ``memory`` is what the strategy needs beside the cell."""

    cell: Cell
    stopped: str | None = None
    memory: Memory = field(default_factory=dict)

    def record(self) -> RoundState:
        """Return the state as a round's file keeps it."""
        return RoundState(cell=self.cell, stopped=self.stopped, memory=self.memory)

    @classmethod
    def of(cls, record: RoundState) -> "State":
        """Return the state that a round's file has."""
        return cls(record.cell, record.stopped, record.memory)


@dataclass(frozen=True)
class ProposedCell:
    """A proposed cell, as a change to the round's starting cell, and how it came about (``origin``, one phrase).

    ``fidelity`` says how it is evaluated where not by the proxy's whole recipe: ``Fidelity(epochs=2)`` (for that many
    only) or ``Fidelity(zero_cost="naswot")`` (not trained at all). Such a candidate is a hint, never the answer.
    ``Fidelity(edge_tuning=1)`` is the whole recipe, and scores the cell's missing edges besides.
    """

    cell: Cell
    origin: str
    removed: tuple[tuple[int, int], ...] = ()
    fidelity: Fidelity | None = None


@dataclass(frozen=True)
class Scored:
    """A candidate that was evaluated.

    ``score`` is None when it has no finite one; ``violation`` says by how much its costs exceed the hard limits, as the
    sum of relative excesses, 0 within all of them; ``metrics`` are the evaluation's. ``edge_gains`` say by how much
    each missing edge is predicted to lower the training loss, None where that is not finite; empty unless asked for.
    """

    candidate: ProposedCell
    score: float | None
    violation: float = 0.0
    metrics: Metrics = field(default_factory=dict)
    edge_gains: Mapping[Edge, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """A round's outcome: the state to go on from and the slot of the candidate whose cell it took, if any."""

    state: State
    slot: int | None


class Strategy(Protocol):
    """A search strategy. Every method is a pure function of its arguments and the strategy's parameters."""

    def slots(self) -> Sequence[int]:
        """Return the greatest number of candidates of round 1, 2, ...: the static plan, known from parameters alone."""
        ...

    def start(self, draws: Draws) -> State:
        """Return the state that round 1 starts from."""
        ...

    def propose(self, state: State, round_number: int, draws: Draws) -> Sequence[ProposedCell]:
        """Return the round's candidates, at most ``slots()[round_number - 1]``, none when the search has stopped."""
        ...

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return what the round's evaluations lead to."""
        ...

"""Growing: start from a chain and add the most useful edge, round by round.

Greedy forward selection beside shrinking's backward elimination (I. Guyon and A. Elisseeff, "An introduction to
variable and feature selection", JMLR 2003, section 4.2), on the edges of a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import GrowStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.space import Dag
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


@dataclass(frozen=True)
class Grow:
    """Round 1 evaluates the chain; every later round adds one edge, until the cell is complete."""

    search: TaskSearch
    family: Dag
    options: GrowStrategy

    def slots(self) -> list[int]:
        """Return 1 for the chain, then min(k, edges missing) per round."""
        missing = range(self.family.size - self.family.stages * (self.search.nodes - 1), 0, -1)
        return [1, *(min(self.search.k, left) for left in missing)]

    def start(self, draws: Draws) -> State:
        """Return the chain 0 -> 1 -> ... with its operators drawn, or one per stage."""
        return State(self.family.drawn(draws).baseline())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the chain, later k of the cells with one edge more, drawn without replacement."""
        if state.stopped:
            return []
        if round_number == 1:
            return [ProposedCell(state.cell, "the chain")]
        space = self.family.drawn(draws)
        held = space.chosen(state.cell)
        larger = [
            ProposedCell(space.cell({**held, edge: "present"}), f"with {edge[0]} -> {edge[1]}")
            for edge in space.places
            if edge not in held
        ]
        return draws.sample(f"round-{round_number}/candidates", larger, self.search.k)

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best candidate's cell. Where the best one breaks a hard limit, so do all that would follow."""
        if state.stopped:
            return Selection(state, None)
        slot = min(range(len(scored)), key=lambda number: rank(scored[number]), default=None)
        if slot is None or scored[slot].score is None:
            return Selection(State(state.cell, f"no candidate of round {round_number} has a finite score"), None)
        if scored[slot].violation > 0:
            return Selection(State(state.cell, f"every candidate of round {round_number} exceeds a limit"), None)
        cell = scored[slot].candidate.cell
        stopped = "the cell is complete" if len(cell.wires) == self.family.size else None
        return Selection(State(cell, stopped), slot)

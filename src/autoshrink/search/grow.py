"""Growing: start from a chain and add the most useful edge, round by round.

Greedy forward selection beside shrinking's backward elimination (I. Guyon and A. Elisseeff, "An introduction to
variable and feature selection", JMLR 2003, section 4.2), on the edges of a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cells.cell import Cell
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import GrowStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.space import all_edges, draw_operators
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


@dataclass(frozen=True)
class Grow:
    """Round 1 evaluates the chain; every later round adds one edge, until the cell is complete."""

    search: TaskSearch
    operators: Sequence[str]
    options: GrowStrategy

    def slots(self) -> list[int]:
        """Return 1 for the chain, then min(k, edges missing) per round."""
        missing = range(self.search.edges - (self.search.nodes - 1), 0, -1)
        return [1, *(min(self.search.k, left) for left in missing)]

    def start(self, draws: Draws) -> State:
        """Return the chain 0 -> 1 -> ... with its operators drawn."""
        operators = draw_operators(self.search, self.operators, draws)
        return State(Cell.of(operators, [(node, node + 1) for node in range(len(operators))]))

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the chain, later k of the cells with one edge more, drawn without replacement."""
        if state.stopped:
            return []
        if round_number == 1:
            return [ProposedCell(state.cell, "the chain")]
        kept = set(state.cell.edges)
        operators = state.cell.operators[1:]
        space = [
            ProposedCell(Cell.of(operators, [*kept, edge]), f"with {edge[0]} -> {edge[1]}")
            for edge in all_edges(operators)
            if edge not in kept
        ]
        return draws.sample(f"round-{round_number}/candidates", space, self.search.k)

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
        stopped = "the cell is complete" if len(cell.edges) == self.search.edges else None
        return Selection(State(cell, stopped), slot)

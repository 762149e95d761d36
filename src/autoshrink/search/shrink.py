"""The paper's strategy: of the cells that lack one edge of the current one, keep the best, for good (section 3).

Variants, by its parameters: several edges at once, every candidate instead of k, fewer candidates round by round.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cells.cell import Cell
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import ShrinkStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.objective import preference
from autoshrink.search.space import draw_operators
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


def shrink_space(cell: Cell) -> list[ProposedCell]:
    """Return the topology shrink space: for each edge, ascending, the cell without it and all that it alone fed."""
    return [_without(cell, (edge,)) for edge in cell.edges]


def keep_best(
    state: State, scored: Sequence[Scored], threshold: int, round_number: int
) -> tuple[Cell, str | None, int | None]:
    """Return the cell that shrinking goes on from, why it stops (or None), and the slot of that cell's candidate.

    Candidates within the hard limits come first, then the score decides. A candidate without a finite score never wins.
    """
    finite = [
        (item.violation > 0, preference(item.score, item.candidate.cell), slot)
        for slot, item in enumerate(scored)
        if item.score is not None
    ]
    if not finite:
        return state.cell, f"no candidate of round {round_number} has a finite score", None
    slot = min(finite)[2]
    cell = scored[slot].candidate.cell
    stopped = None
    if len(cell.edges) <= threshold:
        stopped = f"{len(cell.edges)} edges are left, the threshold is {threshold}"
    return cell, stopped, slot


@dataclass(frozen=True)
class Shrink:
    """Round r removes one edge (and what it alone fed) until at most ``search.threshold`` edges are left."""

    search: TaskSearch
    operators: Sequence[str]
    options: ShrinkStrategy

    def slots(self) -> list[int]:
        """Return min(k, size of the shrink space) per round; each round removes at least ``edges_per_round`` edges."""
        edges = range(self.search.edges, self.search.threshold, -self.options.edges_per_round)
        # C(left, step) candidates lack that many edges
        return [min(self._k(number), math.comb(left, self._step(left))) for number, left in enumerate(edges, 1)]

    def start(self, draws: Draws) -> State:
        """Return the complete cell with its operators drawn."""
        return State(Cell.complete(draw_operators(self.search, self.operators, draws)))

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return k of the shrink space, drawn without replacement."""
        if state.stopped:
            return []
        name, k = f"round-{round_number}/candidates", self._k(round_number)
        if self.options.edges_per_round == 1:
            return draws.sample(name, shrink_space(state.cell), k)
        step = self._step(len(state.cell.edges))
        wanted = min(k, math.comb(len(state.cell.edges), step))
        drawn: dict[tuple[tuple[int, int], ...], ProposedCell] = {}
        attempt = 0
        while len(drawn) < wanted:  # drawing sets until they differ: there are far too many to list
            edges = tuple(sorted(draws.sample(f"{name}/{attempt}", state.cell.edges, step)))
            drawn.setdefault(edges, _without(state.cell, edges))
            attempt += 1
        return list(drawn.values())

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best-scoring candidate's cell; a candidate without a finite score never wins."""
        if state.stopped:
            return Selection(state, None)
        cell, stopped, slot = keep_best(state, scored, self.search.threshold, round_number)
        return Selection(State(cell, stopped), slot)

    def _step(self, left: int) -> int:
        """Return how many edges a candidate loses where ``left`` are left; the last round may remove fewer."""
        return min(self.options.edges_per_round, left - self.search.threshold)

    def _k(self, round_number: int) -> int:
        if self.options.exhaustive:
            return self.search.edges
        return max(1, round(self.search.k * self.options.k_decay ** (round_number - 1)))


def _without(cell: Cell, edges: Sequence[tuple[int, int]]) -> ProposedCell:
    smaller = cell
    for edge in edges:
        smaller = smaller.without(edge)
    smaller = smaller.pruned()
    left = set(smaller.edges)
    origin = ", ".join(f"without {source} -> {target}" for source, target in edges)
    return ProposedCell(smaller, origin, tuple(other for other in cell.edges if other not in left))

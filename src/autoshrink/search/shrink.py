"""The paper's strategy (section 3): of the cells with one edge fewer, keep the best. Where operators are searched too,
also of the cells with one alternative fewer at a node.

Variants, by its parameters: several edges at once, every candidate instead of k, fewer candidates round by round.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cells.cell import Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import ShrinkStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.objective import preference
from autoshrink.search.space import Alternatives, Family, Space, threshold
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


def shrink_space(space: Space, cell: Cell) -> list[ProposedCell]:
    """Return the shrink space: for each edge, ascending, the cell without it and all that it alone fed; where
    operators are searched too, then for each alternative the cell without that."""
    return [_without(space, cell, (place,)) for place in space.removable(cell)]


def keep_best(
    state: State, scored: Sequence[Scored], threshold: int, round_number: int, space: Space
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
    left = len(space.chosen(cell))
    if left <= threshold:
        what = "edges and operators" if isinstance(space, Alternatives) else "edges"
        stopped = f"{left} {what} are left, the threshold is {threshold}"
    return cell, stopped, slot


@dataclass(frozen=True)
class Shrink:
    """Round r removes one edge (and what it alone fed) until at most ``threshold`` edges are left.

    In a table's own space it empties one place of the network that was drawn at the start.
    """

    search: TaskSearch
    family: Family
    options: ShrinkStrategy

    def slots(self) -> list[int]:
        """Return min(k, size of the shrink space) per round; each round removes at least ``edges_per_round`` edges."""
        edges = range(self.family.size, self._threshold, -self.options.edges_per_round)
        # C(left, step) candidates lack that many edges
        return [min(self._k(number), math.comb(left, self._step(left))) for number, left in enumerate(edges, 1)]

    def start(self, draws: Draws) -> State:
        """Return the complete cell with its operators drawn."""
        return State(self.family.drawn(draws).whole())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return k of the shrink space, drawn without replacement."""
        if state.stopped:
            return []
        space, cell = self.family.drawn(draws), state.cell
        name, k = f"round-{round_number}/candidates", self._k(round_number)
        held = list(space.chosen(cell))
        if self.options.edges_per_round == 1:
            return draws.sample(name, shrink_space(space, cell), k)
        step = self._step(len(held))
        wanted = min(k, math.comb(len(held), step))
        drawn: dict[tuple[Edge, ...], ProposedCell] = {}
        attempt = 0
        while len(drawn) < wanted:  # drawing sets until they differ: there are far too many to list
            edges = tuple(sorted(draws.sample(f"{name}/{attempt}", held, step)))
            drawn.setdefault(edges, _without(space, cell, edges))
            attempt += 1
        return list(drawn.values())

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best-scoring candidate's cell; a candidate without a finite score never wins."""
        if state.stopped:
            return Selection(state, None)
        space = self.family.drawn(draws)
        cell, stopped, slot = keep_best(state, scored, self._threshold, round_number, space)
        return Selection(State(cell, stopped), slot)

    @property
    def _threshold(self) -> int:
        return threshold(self.search, self.family)

    def _step(self, left: int) -> int:
        """Return how many edges a candidate loses where ``left`` are left; the last round may remove fewer."""
        return min(self.options.edges_per_round, left - self._threshold)

    def _k(self, round_number: int) -> int:
        if self.options.exhaustive:
            return self.family.size
        return max(1, round(self.search.k * self.options.k_decay ** (round_number - 1)))


def _without(space: Space, cell: Cell, places: Sequence[Edge]) -> ProposedCell:
    """Return the candidate whose ``places`` hold nothing."""
    before = space.chosen(cell)
    smaller = space.cell({place: option for place, option in before.items() if place not in places})
    origin = ", ".join(f"without {space.said(place)}" for place in places)
    return ProposedCell(smaller, origin, tuple(edge for edge in cell.edges if edge not in smaller.edges))

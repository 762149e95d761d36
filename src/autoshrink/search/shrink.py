"""The paper's strategy: of the cells that lack one edge of the current one, keep the best, for good (section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cell import Cell
from autoshrink.params.search import TaskSearch
from autoshrink.search.draws import Draws
from autoshrink.search.objective import preference
from autoshrink.search.strategy import Candidate, Scored, Selection, State


def shrink_space(cell: Cell) -> list[Candidate]:
    """Return the topology shrink space: for each edge, ascending, the cell without it and all that it alone fed."""
    space = []
    for edge in cell.edges:
        smaller = cell.without(edge).pruned()
        removed = tuple(other for other in cell.edges if other not in set(smaller.edges))
        space.append(Candidate(smaller, f"without {edge[0]} -> {edge[1]}", removed))
    return space


def draw_operators(search: TaskSearch, operators: Sequence[str], draws: Draws) -> list[str]:
    """Return the operators of nodes 1..N-1: each as often as the others in random order, or each at random."""
    count = search.nodes - 1
    if search.operator_sampling == "uniform":
        return [draws.choice(f"operators/node-{node}", operators) for node in range(1, count + 1)]
    # where the count does not divide evenly, chance decides which operators get one node more
    rotation = draws.shuffled("operators/remainder", operators)
    balanced = [rotation[index % len(rotation)] for index in range(count)]
    return draws.shuffled("operators/order", balanced)


@dataclass(frozen=True)
class Shrink:
    """Round r removes one edge (and what it alone fed) until at most ``search.threshold`` edges are left."""

    search: TaskSearch
    operators: Sequence[str]

    def slots(self) -> list[int]:
        """Return min(k, edges left) per round; each round removes at least one edge."""
        edges = range(self.search.edges, self.search.threshold, -1)
        return [min(self.search.k, left) for left in edges]

    def start(self, draws: Draws) -> State:
        """Return the complete cell with its operators drawn."""
        return State(Cell.complete(draw_operators(self.search, self.operators, draws)))

    def propose(self, state: State, round_number: int, draws: Draws) -> list[Candidate]:
        """Return k of the shrink space, drawn without replacement."""
        if state.stopped:
            return []
        return draws.sample(f"round-{round_number}/candidates", shrink_space(state.cell), self.search.k)

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best-scoring candidate's cell; a candidate without a finite score never wins."""
        if state.stopped:
            return Selection(state, None)
        finite = [
            (preference(item.score, item.candidate.cell), slot)
            for slot, item in enumerate(scored)
            if item.score is not None
        ]
        if not finite:
            return Selection(State(state.cell, f"no candidate of round {round_number} has a finite score"), None)
        slot = min(finite)[1]
        cell = scored[slot].candidate.cell
        stopped = None
        if len(cell.edges) <= self.search.threshold:
            stopped = f"{len(cell.edges)} edges are left, the threshold is {self.search.threshold}"
        return Selection(State(cell, stopped), slot)

"""The search spaces: subgraphs of the complete DAG whose operators were drawn at the start, and a table's own choices.

A space is a number of places, each holding one of the same options, the first of which is nothing. In the DAG a place
is an edge, absent or present; in NAS-Bench-201 it is an edge that carries one of five operators.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from autoshrink.cells.cell import INPUT, Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.search.draws import Draws

# draws of one name before a search takes a cell that it has seen before: small spaces run out of new ones
TRIES = 20


class Space(Protocol):
    """The architectures that one search may propose, as cells; its draws are made."""

    @property
    def places(self) -> Sequence[Edge]:
        """What there is to choose, in a fixed order."""
        ...

    @property
    def options(self) -> Sequence[str]:
        """What a place may hold; the first is nothing."""
        ...

    def whole(self) -> Cell:
        """Return the architecture in which every place holds something."""
        ...

    def baseline(self) -> Cell:
        """Return a small architecture to start from."""
        ...

    def cell(self, chosen: Mapping[Edge, str]) -> Cell:
        """Return the architecture of these choices; a place that is not named holds nothing."""
        ...

    def chosen(self, cell: Cell) -> dict[Edge, str]:
        """Return what the places of an architecture hold, without those that hold nothing."""
        ...

    def random(self, draws: Draws, name: str, seen: Iterable[str]) -> Cell:
        """Return a random architecture whose key is not in ``seen``, unless new ones are hard to come by."""
        ...

    def is_network(self, cell: Cell) -> bool:
        """Whether the space has this architecture at all."""
        ...


class Family(Protocol):
    """A space before a search has drawn what all its architectures share."""

    @property
    def size(self) -> int:
        """How many places there are."""
        ...

    def drawn(self, draws: Draws) -> Space:
        """Return the space of a search."""
        ...


@dataclass(frozen=True)
class Dag:
    """Cells over the operators that a search draws: the project's own space."""

    search: TaskSearch
    operators: Sequence[str]

    @property
    def size(self) -> int:
        """Edges of the complete cell."""
        return self.search.edges

    def drawn(self, draws: Draws) -> "Subgraphs":
        """Return the subgraphs of the complete cell, its operators drawn."""
        return Subgraphs(tuple(draw_operators(self.search, self.operators, draws)))


@dataclass(frozen=True)
class Subgraphs:
    """The subgraphs of the complete DAG whose nodes 1..N-1 carry ``operators``."""

    operators: tuple[str, ...]

    @property
    def places(self) -> list[Edge]:
        """The edges of the complete DAG, ascending."""
        return all_edges(self.operators)

    @property
    def options(self) -> tuple[str, str]:
        """An edge is there or not."""
        return ("absent", "present")

    def whole(self) -> Cell:
        """Return the complete cell."""
        return Cell.complete(self.operators)

    def baseline(self) -> Cell:
        """Return the chain 0 -> 1 -> ..."""
        return Cell.of(self.operators, [(node, node + 1) for node in range(len(self.operators))])

    def cell(self, chosen: Mapping[Edge, str]) -> Cell:
        """Return the cell of the edges that are present, less what node 0 does not reach."""
        return subgraph(self.operators, [edge for edge, option in chosen.items() if option == "present"])

    def chosen(self, cell: Cell) -> dict[Edge, str]:
        """Return the cell's edges."""
        return dict.fromkeys(cell.edges, "present")

    def random(self, draws: Draws, name: str, seen: Iterable[str]) -> Cell:
        """Return a random cell of at least one edge: see ``random_cell``."""
        return random_cell(self.operators, draws, name, seen)

    def is_network(self, cell: Cell) -> bool:
        """Whether the cell has an edge."""
        return bool(cell.edges)


def slots(search: TaskSearch, family: Family, rounds: int | None = None) -> list[int]:
    """Return k per round where ``rounds`` are asked for, else min(k, places left): what shrinking may evaluate."""
    if rounds is not None:
        return [search.k] * rounds
    return [min(search.k, left) for left in range(family.size, threshold(search, family), -1)]


def threshold(search: TaskSearch, family: Family) -> int:
    """Return how many places still hold something when shrinking stops."""
    return round(search.keep_fraction * family.size)


def draw_operators(search: TaskSearch, operators: Sequence[str], draws: Draws) -> list[str]:
    """Return the operators of nodes 1..N-1: each equally often (as near as can be) in random order, or each at random.

    Searches of one seed name draw the same ones, whatever their strategy.
    """
    count = search.nodes - 1
    shared = draws.shared
    if search.operator_sampling == "uniform":
        return [shared.choice(f"operators/node-{node}", operators) for node in range(1, count + 1)]
    # where the count does not divide evenly, chance decides which operators get one node more
    rotation = shared.shuffled("operators/remainder", operators)
    balanced = [rotation[index % len(rotation)] for index in range(count)]
    return shared.shuffled("operators/order", balanced)


def all_edges(operators: Sequence[str]) -> list[Edge]:
    """Return the edges of the complete DAG whose nodes 1..N-1 carry ``operators``, ascending."""
    size = len(operators) + 1
    return [(i, j) for i in range(size) for j in range(i + 1, size)]


def missing_edges(cell: Cell) -> list[Edge]:
    """Return the edges between a cell's nodes that it lacks, ascending."""
    return [(i, j) for i in cell.nodes for j in cell.nodes if i < j and (i, j) not in cell.edges]


def subgraph(operators: Sequence[str], edges: Iterable[Edge]) -> Cell:
    """Return the cell of these edges, less what node 0 does not reach; nodes keep their number."""
    return _subgraph(tuple(operators), tuple(sorted(edges)))


# strategies come by the same cells again and again, and a cell that is kept keeps its key
@lru_cache(maxsize=16384)
def _subgraph(operators: tuple[str, ...], edges: tuple[Edge, ...]) -> Cell:
    reached = {0}
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if source in reached:
            reached.add(target)
    nodes = tuple(sorted(reached))
    return Cell(
        nodes,
        (INPUT, *(operators[node - 1] for node in nodes[1:])),
        tuple(edge for edge in edges if edge[0] in reached),
    )


def random_cell(operators: Sequence[str], draws: Draws, name: str, seen: Iterable[str]) -> Cell:
    """Return a random cell with at least one edge whose key is not in ``seen`` (unless new ones are hard to come by).

    How many edges are drawn is uniform, and then which: the sizes that shrinking passes through are equally likely.
    """
    edges, known = all_edges(operators), set(seen)
    cell = subgraph(operators, edges)
    for attempt in range(TRIES):
        count = draws.choice(f"{name}/try-{attempt}/count", range(1, len(edges) + 1))
        cell = subgraph(operators, draws.sample(f"{name}/try-{attempt}/edges", edges, count))
        if cell.edges and cell.key not in known:
            return cell
    return cell if cell.edges else subgraph(operators, edges)


def neighbours(space: Space, cell: Cell) -> list[Cell]:
    """Return the architectures that differ in one place, each isomorphism class once and none of the cell's own.

    In the DAG an edge more may bring back a node that was lost. A cell without any edge is no neighbour.
    """
    held = space.chosen(cell)
    found: dict[str, Cell] = {}
    for place in space.places:
        for option in space.options:
            if option != held.get(place, space.options[0]):
                other = space.cell({**held, place: option})
                if space.is_network(other) and other.key != cell.key:
                    found.setdefault(other.key, other)
    return list(found.values())


def change(space: Space, before: Cell, after: Cell) -> str:
    """Say in a phrase what the places of ``after`` have gained and lost."""
    old, new = space.chosen(before), space.chosen(after)
    gained = [f"with {_said(space, place, new[place])}" for place in sorted(new) if old.get(place) != new[place]]
    lost = [f"without {place[0]} -> {place[1]}" for place in sorted(old.keys() - new.keys())]
    return ", ".join(gained + lost) or "unchanged"


def _said(space: Space, place: Edge, option: str) -> str:
    edge = f"{place[0]} -> {place[1]}"
    return edge if len(space.options) == 2 else f"{option} at {edge}"

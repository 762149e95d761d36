"""The search spaces: subgraphs of the complete DAG whose operators were drawn at the start, the same with operators to
choose from at every node, and a table's own choices.

A space is a number of places, each holding one of the same options, the first of which is nothing. In the DAG a place
is an edge, absent or present; in NAS-Bench-201 it is an edge that carries one of five operators. Where each stage has
a cell of its own, the places are the edges of all of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from autoshrink.cells.cell import INPUT, Cell, Edge, split
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

    def removable(self, cell: Cell) -> list[Edge]:
        """Return the places that shrinking may empty next."""
        ...

    def moves(self, cell: Cell) -> Iterable[Mapping[Edge, str]]:
        """Yield what the places of the architectures one step away hold."""
        ...

    def said(self, place: Edge) -> str:
        """Return a place in words, such as ``0 -> 1``."""
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
    stages: int = 1
    """How many cells a network has: one, or one per stage."""

    @property
    def size(self) -> int:
        """Edges of the complete cell, or of all stages' complete cells."""
        return self.search.edges * self.stages

    def drawn(self, draws: Draws) -> Space:
        """Return the subgraphs of the complete cell, its operators drawn; a cell per stage has its own for each."""
        if self.stages == 1:
            return Subgraphs(tuple(draw_operators(self.search, self.operators, draws)))
        drawn = [
            Subgraphs(tuple(draw_operators(self.search, self.operators, draws, f"stage-{stage}/")))
            for stage in range(self.stages)
        ]
        return PerStage(tuple(drawn))


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

    def removable(self, cell: Cell) -> list[Edge]:
        """Return the cell's edges."""
        return list(cell.edges)

    def moves(self, cell: Cell) -> Iterator[Mapping[Edge, str]]:
        """Yield the cell with an edge more, which may bring back a node that was lost, or less."""
        return single_changes(self, cell)

    def said(self, place: Edge) -> str:
        """Return ``0 -> 1``."""
        return f"{place[0]} -> {place[1]}"


@dataclass(frozen=True)
class Alternatives:
    """Cells of ``positions`` positions after the input, each of which holds one or more of ``operators`` side by side.

    A cell has a node per alternative: those of a position read the same positions and are read by the same ones. Both
    edges between positions and alternatives are places: (i, j), i < j, is the edge from position i to j, and (-p, n)
    the n-th operator at position p. So topology and operators come out of one descent (the greedy counterpart of
    H. Liu et al., "DARTS: Differentiable architecture search", ICLR 2019, which relaxes the choice). It is a space and
    its own family: nothing is drawn.
    """

    positions: int
    operators: tuple[str, ...]

    @property
    def size(self) -> int:
        """Edges between positions, and alternatives."""
        return self.positions * (self.positions + 1) // 2 + self.positions * len(self.operators)

    def drawn(self, draws: Draws) -> "Alternatives":
        """Return the space itself."""
        return self

    @property
    def places(self) -> list[Edge]:
        """The edges between positions, ascending, then the alternatives of each position."""
        edges = all_edges(range(self.positions))
        return edges + [(-at, number) for at in self._positions for number in range(len(self.operators))]

    @property
    def options(self) -> tuple[str, str]:
        """An edge or an alternative is there or not."""
        return ("absent", "present")

    def whole(self) -> Cell:
        """Return the cell with all operators at all positions, all of which are connected."""
        return self.cell(dict.fromkeys(self.places, "present"))

    def baseline(self) -> Cell:
        """Return a chain of single operators, each in its turn."""
        chain = [(at - 1, at) for at in self._positions]
        single = [(-at, (at - 1) % len(self.operators)) for at in self._positions]
        return self.cell(dict.fromkeys([*chain, *single], "present"))

    def cell(self, chosen: Mapping[Edge, str]) -> Cell:
        """Return the cell, less the positions that hold nothing or that the input does not reach."""
        present = {place for place, option in chosen.items() if option == "present"}
        nodes: dict[int, list[int]] = {0: [0]}
        for at in self._positions:
            nodes[at] = [self._node(at, number) for number in range(len(self.operators)) if (-at, number) in present]
        edges = [edge for edge in present if edge[0] >= 0]
        between = [(source, target) for i, j in edges for source in nodes[i] for target in nodes[j]]
        return subgraph(self.operators * self.positions, between)

    def chosen(self, cell: Cell) -> dict[Edge, str]:
        """Return the cell's edges between positions, and its alternatives."""
        edges = sorted({(self._at(source), self._at(target)) for source, target in cell.edges})
        held = [(-self._at(node), (node - 1) % len(self.operators)) for node in cell.nodes[1:]]
        return dict.fromkeys([*edges, *held], "present")

    def random(self, draws: Draws, name: str, seen: Iterable[str]) -> Cell:
        """Return a random cell of at least one edge whose key is not in ``seen``, unless new ones are hard to come by.

        How many edges there are is drawn uniformly, then which; and likewise each position's alternatives.
        """
        edges, numbers, known = all_edges(range(self.positions)), range(len(self.operators)), set(seen)
        found = self.whole()
        for attempt in range(TRIES):
            this = f"{name}/try-{attempt}"
            held = draws.sample(f"{this}/edges", edges, draws.choice(f"{this}/count", range(1, len(edges) + 1)))
            for at in self._positions:
                count = draws.choice(f"{this}/position-{at}/count", range(1, len(numbers) + 1))
                held += [(-at, number) for number in draws.sample(f"{this}/position-{at}/operators", numbers, count)]
            cell = self.cell(dict.fromkeys(held, "present"))
            if cell.edges:
                found = cell
                if cell.key not in known:
                    break
        return found

    def is_network(self, cell: Cell) -> bool:
        """Whether the cell has an edge."""
        return bool(cell.edges)

    def removable(self, cell: Cell) -> list[Edge]:
        """Return the cell's edges between positions, and alternatives of which a position has several: the last one
        goes with the last edge to it."""
        held = self.chosen(cell)
        beside = Counter(place[0] for place in held if place[0] < 0)
        return [place for place in held if place[0] >= 0 or beside[place[0]] > 1]

    def moves(self, cell: Cell) -> Iterator[Mapping[Edge, str]]:
        """Yield the cell with an edge or an alternative more or less; an edge to a position that was lost brings it
        back with one operator."""
        held = self.chosen(cell)
        there = {place[0] for place in held if place[0] < 0}
        for place in self.removable(cell):
            yield {other: option for other, option in held.items() if other != place}
        for place in self.places:
            at = -place[1] if place[0] >= 0 else place[0]
            if place in held or (place[0] < 0 and at not in there):
                continue
            if at in there:
                yield {**held, place: "present"}
            else:
                for number in range(len(self.operators)):
                    yield {**held, place: "present", (at, number): "present"}

    def said(self, place: Edge) -> str:
        """Return ``0 -> 1``, or ``conv_1x1 at 2``."""
        return f"{place[0]} -> {place[1]}" if place[0] >= 0 else f"{self.operators[place[1]]} at {-place[0]}"

    @property
    def _positions(self) -> range:
        return range(1, self.positions + 1)

    def _node(self, at: int, number: int) -> int:
        return 1 + (at - 1) * len(self.operators) + number

    def _at(self, node: int) -> int:
        return (node - 1) // len(self.operators) + 1 if node else 0


def single_changes(space: Space, cell: Cell) -> Iterator[Mapping[Edge, str]]:
    """Yield what the places hold where one of them holds another option."""
    held = space.chosen(cell)
    for place in space.places:
        for option in space.options:
            if option != held.get(place, space.options[0]):
                yield {**held, place: option}


@dataclass(frozen=True)
class PerStage:
    """The subgraphs of one complete DAG per stage, all of as many nodes: node n of stage s is s * ``size`` + n."""

    stages: tuple[Subgraphs, ...]

    @property
    def size(self) -> int:
        """Nodes of a stage's complete cell."""
        return len(self.stages[0].operators) + 1

    @property
    def places(self) -> list[Edge]:
        """The edges of the stages' complete DAGs, stage by stage."""
        return [
            (source + stage * self.size, target + stage * self.size)
            for stage, own in enumerate(self.stages)
            for source, target in own.places
        ]

    @property
    def options(self) -> tuple[str, str]:
        """An edge is there or not."""
        return self.stages[0].options

    def whole(self) -> Cell:
        """Return the complete cells."""
        return self._of([own.whole() for own in self.stages])

    def baseline(self) -> Cell:
        """Return a chain per stage."""
        return self._of([own.baseline() for own in self.stages])

    def cell(self, chosen: Mapping[Edge, str]) -> Cell:
        """Return the cells of the edges that are present, each less what its input does not reach."""
        own: list[dict[Edge, str]] = [{} for _ in self.stages]
        for (source, target), option in chosen.items():
            stage, first = source // self.size, source // self.size * self.size
            own[stage][source - first, target - first] = option
        return self._of([space.cell(held) for space, held in zip(self.stages, own, strict=True)])

    def chosen(self, cell: Cell) -> dict[Edge, str]:
        """Return the edges within stages."""
        return dict.fromkeys(cell.wires, "present")

    def random(self, draws: Draws, name: str, seen: Iterable[str]) -> Cell:
        """Return random cells of at least one edge each: see ``random_cell``."""
        known = set(seen)
        for attempt in range(TRIES):
            found = self._of(
                [own.random(draws, f"{name}/try-{attempt}/stage-{stage}", ()) for stage, own in enumerate(self.stages)]
            )
            if found.key not in known:
                break
        return found

    def is_network(self, cell: Cell) -> bool:
        """Whether each stage has an edge."""
        return all(stage.edges for stage in cell.stages)

    def removable(self, cell: Cell) -> list[Edge]:
        """Return the edges within stages."""
        return list(cell.wires)

    def moves(self, cell: Cell) -> Iterator[Mapping[Edge, str]]:
        """Yield the cells of which one has an edge more or less."""
        return single_changes(self, cell)

    def said(self, place: Edge) -> str:
        """Return ``0 -> 1``."""
        return f"{place[0]} -> {place[1]}"

    def _of(self, cells: Sequence[Cell]) -> Cell:
        return _of_stages(tuple(cells), self.size)


def over(operators: Sequence[str]) -> Space:
    """Return the cells over the operators of a complete one, node by node: its own, or a cell per stage."""
    stages = [Subgraphs(tuple(own)) for own in split(operators)]
    return stages[0] if len(stages) == 1 else PerStage(tuple(stages))


def slots(search: TaskSearch, family: Family, rounds: int | None = None) -> list[int]:
    """Return k per round where ``rounds`` are asked for, else min(k, places left): what shrinking may evaluate."""
    if rounds is not None:
        return [search.k] * rounds
    return [min(search.k, left) for left in range(family.size, threshold(search, family), -1)]


def threshold(search: TaskSearch, family: Family) -> int:
    """Return how many places still hold something when shrinking stops."""
    return round(search.keep_fraction * family.size)


def draw_operators(search: TaskSearch, operators: Sequence[str], draws: Draws, of: str = "") -> list[str]:
    """Return the operators of nodes 1..N-1: each equally often (as near as can be) in random order, or each at random.

    Searches of one seed name draw the same ones, whatever their strategy. ``of``, such as ``stage-0/``, tells draws
    apart where there are several.
    """
    count = search.nodes - 1
    shared = draws.shared
    if search.operator_sampling == "uniform":
        return [shared.choice(f"operators/{of}node-{node}", operators) for node in range(1, count + 1)]
    # where the count does not divide evenly, chance decides which operators get one node more
    rotation = shared.shuffled(f"operators/{of}remainder", operators)
    balanced = [rotation[index % len(rotation)] for index in range(count)]
    return shared.shuffled(f"operators/{of}order", balanced)


def all_edges(operators: Sequence[object]) -> list[Edge]:
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
def _of_stages(cells: tuple[Cell, ...], size: int) -> Cell:
    return Cell.of_stages(cells, size)


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
    found: dict[str, Cell] = {}
    for held in space.moves(cell):
        other = space.cell(held)
        if space.is_network(other) and other.key != cell.key:
            found.setdefault(other.key, other)
    return list(found.values())


def change(space: Space, before: Cell, after: Cell) -> str:
    """Say in a phrase what the places of ``after`` have gained and lost."""
    old, new = space.chosen(before), space.chosen(after)
    gained = [f"with {_said(space, place, new[place])}" for place in sorted(new) if old.get(place) != new[place]]
    lost = [f"without {space.said(place)}" for place in sorted(old.keys() - new.keys())]
    return ", ".join(gained + lost) or "unchanged"


def _said(space: Space, place: Edge, option: str) -> str:
    return space.said(place) if len(space.options) == 2 else f"{option} at {space.said(place)}"

"""The cell: a directed acyclic graph of operators whose edges are what AutoShrink searches (paper, section 3).

Node 0 is the cell's input; every other node carries one operator; an edge (i, j), i < j, carries node i's output to
node j. A node keeps its number for life, so that the same node is recognised in every round.

A cell per stage is one graph too, the stages' cells in a row: between two of them stands a node of the operator
``"stage"``, fed by the leaves of the one and the input of the other. So keys, records and drawings need not know.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from autoshrink.cells import canonical
from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json

if TYPE_CHECKING:
    import networkx as nx

Edge = tuple[int, int]

INPUT = "input"
STAGE = "stage"
"""Where the cells of stages follow each other: the operator of the next one's input."""
KIND, VERSION = "cell", 1
MOST_NODES, MOST_STAGES = 64, 16
"""Nodes of each stage's cell, and stages, of a cell that is read from a file, at most."""


class CellError(UserError):
    """A description that is no cell: what is wrong with it, in one line."""


@dataclass(frozen=True)
class Cell:
    """An immutable cell. Two cells are equal when nodes, operators and edges are, numbers included.

    ``nodes`` ascend from 0; ``operators[n]`` belongs to ``nodes[n]`` (node 0's is ``"input"``); ``edges`` ascend. A
    node ``"stage"`` is fed by exactly the leaves of the stage before it, and no other edge leaves a stage. Raises
    CellError on anything else.
    """

    nodes: tuple[int, ...]
    operators: tuple[str, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        if not self.nodes or self.nodes[0] != 0 or self.operators[:1] != (INPUT,):
            raise CellError("a cell starts with node 0, whose operator is 'input'")
        if len(self.nodes) != len(self.operators):
            raise CellError(f"{len(self.nodes)} nodes have {len(self.operators)} operators; each needs exactly one")
        if list(self.nodes) != sorted(set(self.nodes)):
            raise CellError(f"node numbers must ascend without repetition, found {list(self.nodes)}")
        if INPUT in self.operators[1:]:
            raise CellError("only node 0 may have the operator 'input'")
        known = set(self.nodes)
        for edge in self.edges:
            source, target = edge
            if source not in known or target not in known:
                raise CellError(f"edge {source} -> {target} touches a node that the cell lacks")
            if source >= target:
                raise CellError(
                    f"edge {source} -> {target} goes backwards and could close a cycle; "
                    "edges go from a lower to a higher node"
                )
        if list(self.edges) != sorted(set(self.edges)):
            raise CellError("edges must ascend without repetition")
        if STAGE in self.operators and self.edges != (expected := _joined(self.nodes, self.operators, self.edges)):
            (source, target), *_ = sorted(set(self.edges) ^ set(expected))
            raise CellError(
                f"edge {source} -> {target} is {'missing' if (source, target) in expected else 'too many'}: a node "
                f"{STAGE!r} is fed by the leaves of the stage before it, and no other edge leaves a stage"
            )

    @classmethod
    def of(cls, operators: Sequence[str], edges: Iterable[Edge]) -> "Cell":
        """Return the cell with nodes 0..N: node 0 the input, node j carrying ``operators[j - 1]``."""
        return cls(tuple(range(len(operators) + 1)), (INPUT, *operators), tuple(sorted(set(edges))))

    @classmethod
    def complete(cls, operators: Sequence[str]) -> "Cell":
        """Return the complete DAG, N(N-1)/2 edges, in which node j carries ``operators[j - 1]``; where ``"stage"`` is
        among these, one per stage."""
        if STAGE in operators:
            return cls.of_stages([cls.complete(own) for own in split(operators)])
        size = len(operators) + 1
        return cls.of(operators, ((i, j) for j in range(size) for i in range(j)))

    @classmethod
    def of_stages(cls, cells: Sequence["Cell"], size: int | None = None) -> "Cell":
        """Return the cells of stages as one; node n of stage s is node s * ``size`` + n.

        ``size`` is more than any node's number; None: as many as each stage needs.
        """
        nodes: list[int] = []
        operators: list[str] = []
        edges: list[Edge] = []
        first = 0
        for number, cell in enumerate(cells):
            assert size is None or max(cell.nodes) < size, "a stage's nodes are its own"
            nodes += [first + node for node in cell.nodes]
            operators += [STAGE if number else INPUT, *cell.operators[1:]]
            edges += [(first + source, first + target) for source, target in cell.edges]
            first += max(cell.nodes) + 1 if size is None else size
        return cls(tuple(nodes), tuple(operators), _joined(nodes, operators, edges))

    @cached_property
    def stages(self) -> tuple["Cell", ...]:
        """The cell of each stage, its input node 0; the cell itself where all stages have the same."""
        starts = [node for node, operator in zip(self.nodes, self.operators, strict=True) if operator == STAGE]
        if not starts:
            return (self,)
        found = []
        for first, end in zip([0, *starts], [*starts, self.nodes[-1] + 1], strict=True):
            own = [(node, name) for node, name in zip(self.nodes, self.operators, strict=True) if first <= node < end]
            nodes, names = tuple(node - first for node, _ in own), tuple(name for _, name in own[1:])
            edges = tuple((one - first, other - first) for one, other in self.edges if first <= one < other < end)
            found.append(Cell(nodes, (INPUT, *names), edges))
        return tuple(found)

    @cached_property
    def wires(self) -> tuple[Edge, ...]:
        """The edges within stages, which a search may add and remove; those between stages follow from them."""
        starts = {node for node, operator in zip(self.nodes, self.operators, strict=True) if operator == STAGE}
        return tuple(edge for edge in self.edges if edge[1] not in starts)

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The nodes with no outgoing edge, ascending: together they form the cell's output."""
        sources = {source for source, _ in self.edges}
        return tuple(node for node in self.nodes if node not in sources)

    @cached_property
    def reachable(self) -> frozenset[int]:
        """The nodes that a path from node 0 leads to, node 0 included."""
        found = {0}
        for source, target in sorted(self.edges, key=lambda edge: edge[1]):
            if source in found:
                found.add(target)
        return frozenset(found)

    @property
    def is_pruned(self) -> bool:
        """Whether every node can be reached from node 0."""
        return len(self.reachable) == len(self.nodes)

    def operator(self, node: int) -> str:
        """Return the operator that ``node`` carries."""
        return self.operators[self.nodes.index(node)]

    def predecessors(self, node: int) -> tuple[int, ...]:
        """Return the nodes that feed ``node``, ascending."""
        return tuple(source for source, target in self.edges if target == node)

    def successors(self, node: int) -> tuple[int, ...]:
        """Return the nodes that ``node`` feeds, ascending."""
        return tuple(target for source, target in self.edges if source == node)

    def without(self, edge: Edge) -> "Cell":
        """Return the cell that has lost ``edge`` and nothing else (see ``pruned``)."""
        if edge not in self.edges:
            raise CellError(f"there is no edge {edge[0]} -> {edge[1]} to remove")
        left = [other for other in self.edges if other != edge]
        return Cell(self.nodes, self.operators, _joined(self.nodes, self.operators, left))

    def pruned(self) -> "Cell":
        """Return the cell less every node, and every edge of a node, that node 0 no longer reaches."""
        if self.is_pruned:
            return self
        keep = self.reachable
        return Cell(
            tuple(node for node in self.nodes if node in keep),
            tuple(operator for node, operator in zip(self.nodes, self.operators, strict=True) if node in keep),
            tuple(edge for edge in self.edges if edge[0] in keep),
        )

    def canonical(self) -> "Cell":
        """Return the one representative of all cells isomorphic to this one, nodes numbered 0, 1, 2, ...

        Isomorphic means: a renaming of nodes carries operators to operators and edges to edges. Exact, not a
        hash that collides rarely, and the same for ever: graph libraries' canonical labels change with their versions.
        """
        return _canonical(self)

    @property
    def canonical_numbers(self) -> dict[int, int]:
        """The number that each node has in the canonical form."""
        starts = [node for node, operator in zip(self.nodes, self.operators, strict=True) if operator == STAGE]
        found: dict[int, int] = {}
        for first, stage in zip([0, *starts], self.stages, strict=True):
            found |= {first + node: len(found) + position for position, node in enumerate(_order(stage))}
        return found

    @cached_property
    def key(self) -> str:
        """A text equal for two cells exactly when they are isomorphic: ``operator(sources)`` per canonical node."""
        cell = self.canonical()
        return ";".join(
            f"{operator}({','.join(map(str, cell.predecessors(node)))})"
            for node, operator in zip(cell.nodes, cell.operators, strict=True)
            if node
        )

    def to_json(self) -> Json:
        """Return the cell as JSON values; ``from_json`` reads them back."""
        return {
            "nodes": [
                {"id": node, "operator": operator} for node, operator in zip(self.nodes, self.operators, strict=True)
            ],
            "edges": [list(edge) for edge in self.edges],
        }

    @classmethod
    def from_json(cls, value: object) -> "Cell":
        """Read what ``to_json`` wrote. Raises CellError on anything that is not a cell of at most ``MOST_NODES``."""
        nodes, edges = (value.get("nodes"), value.get("edges")) if isinstance(value, dict) else (None, None)
        if not (
            isinstance(nodes, list)
            and isinstance(edges, list)
            and all(isinstance(item, dict) and item.keys() == {"id", "operator"} for item in nodes)
            and all(type(item["id"]) is int and isinstance(item["operator"], str) for item in nodes)
            and all(isinstance(edge, list) and [type(end) for end in edge] == [int, int] for edge in edges)
        ):
            raise CellError("not a cell: expected {nodes: [{id, operator}, ...], edges: [[source, target], ...]}")
        odd = [item["operator"] for item in nodes if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", item["operator"])]
        if odd:
            raise CellError(f"the operator {odd[0]!r} is no name of letters, digits and _")
        names = [item["operator"] for item in nodes]
        if names.count(STAGE) >= MOST_STAGES:
            raise CellError(f"cells of {names.count(STAGE) + 1:,} stages; accepted: at most {MOST_STAGES}")
        if (most := max(len(own) + (number > 0) for number, own in enumerate(split(names)))) > MOST_NODES:
            raise CellError(f"a cell of {most:,} nodes; accepted: at most {MOST_NODES}")
        return cls(
            tuple(item["id"] for item in nodes),
            tuple(item["operator"] for item in nodes),
            tuple(sorted((source, target) for source, target in edges)),
        )

    def save(self, path: Path) -> None:
        """Write the cell to a file of its own, sealed."""
        artifacts.write_sealed(path, KIND, VERSION, {"cell": self.to_json()})

    @classmethod
    def load(cls, path: Path) -> "Cell":
        """Read a cell file. Raises ArtifactError or CellError, each naming the file."""
        content = artifacts.read_sealed(path, KIND, VERSION)
        try:
            return cls.from_json(content.get("cell"))
        except CellError as error:
            raise ArtifactError(f"{path}: {error}") from None

    def to_networkx(self) -> "nx.DiGraph[int]":
        """Return the cell as a networkx graph; every node has an ``operator`` attribute."""
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph()
        for node, operator in zip(self.nodes, self.operators, strict=True):
            graph.add_node(node, operator=operator)
        graph.add_edges_from(self.edges)
        return graph


def split(operators: Sequence[str]) -> list[list[str]]:
    """Return the operators of each stage: what stands before, between and after the nodes ``"stage"``."""
    found: list[list[str]] = [[]]
    for operator in operators:
        if operator == STAGE:
            found.append([])
        else:
            found[-1].append(operator)
    return found


def _joined(nodes: Sequence[int], operators: Sequence[str], edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Return the edges within stages, and those from the leaves of each stage to the next one's input."""
    starts = [node for node, operator in zip(nodes, operators, strict=True) if operator == STAGE]
    if not starts:
        return tuple(sorted(edges))
    inner = [edge for edge in edges if bisect(starts, edge[0]) == bisect(starts, edge[1])]
    sources = {source for source, _ in inner}
    leaves = [
        (node, starts[stage]) for node in nodes if node not in sources and (stage := bisect(starts, node)) < len(starts)
    ]
    return tuple(sorted([*inner, *leaves]))


def operators_of(key: str) -> list[str]:
    """Return the operators of a cell's nodes 1, 2, ... out of its ``key``, those of all stages."""
    found = [node.partition("(")[0] for node in key.split(";") if node]
    return [operator for operator in found if operator != STAGE]


def _order(cell: Cell) -> Sequence[int]:
    """Return the nodes in their canonical order."""
    try:
        return canonical.order(dict(zip(cell.nodes, cell.operators, strict=True)), cell.edges)
    except canonical.TooSymmetricError:
        raise CellError(f"the cell has {len(cell.nodes)} nodes too symmetric to be told apart; remove some") from None


@lru_cache(maxsize=4096)
def _canonical(cell: Cell) -> Cell:
    if len(cell.stages) > 1:  # no renaming carries a node from one stage to another
        return Cell.of_stages([stage.canonical() for stage in cell.stages])
    operators = dict(zip(cell.nodes, cell.operators, strict=True))
    order = _order(cell)
    place = {node: position for position, node in enumerate(order)}
    return Cell(
        tuple(range(len(order))),
        tuple(operators[node] for node in order),
        tuple(sorted((place[source], place[target]) for source, target in cell.edges)),
    )

"""The cell: a directed acyclic graph of operators whose edges are what AutoShrink searches (paper, section 3).

Node 0 is the cell's input; every other node carries one operator; an edge (i, j), i < j, carries node i's output to
node j. A node keeps its number for life, so that the same node is recognised in every round.
"""

import re
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
KIND, VERSION = "cell", 1
MOST_NODES = 64
"""Nodes of a cell that is read from a file, at most."""


class CellError(UserError):
    """A description that is no cell: what is wrong with it, in one line."""


@dataclass(frozen=True)
class Cell:
    """An immutable cell. Two cells are equal when nodes, operators and edges are, numbers included.

    ``nodes`` ascend from 0; ``operators[n]`` belongs to ``nodes[n]`` (node 0's is ``"input"``); ``edges`` ascend.
    Raises CellError on anything else.
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

    @classmethod
    def of(cls, operators: Sequence[str], edges: Iterable[Edge]) -> "Cell":
        """Return the cell with nodes 0..N: node 0 the input, node j carrying ``operators[j - 1]``."""
        return cls(tuple(range(len(operators) + 1)), (INPUT, *operators), tuple(sorted(set(edges))))

    @classmethod
    def complete(cls, operators: Sequence[str]) -> "Cell":
        """Return the complete DAG, N(N-1)/2 edges, in which node j carries ``operators[j - 1]``."""
        size = len(operators) + 1
        return cls.of(operators, ((i, j) for j in range(size) for i in range(j)))

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
        return Cell(self.nodes, self.operators, tuple(other for other in self.edges if other != edge))

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
        return {node: position for position, node in enumerate(_order(self))}

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
        if len(nodes) > MOST_NODES:
            raise CellError(f"a cell of {len(nodes):,} nodes; accepted: at most {MOST_NODES}")
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


def operators_of(key: str) -> list[str]:
    """Return the operators of a cell's nodes 1, 2, ... out of its ``key``."""
    return [node.partition("(")[0] for node in key.split(";") if node]


def _order(cell: Cell) -> Sequence[int]:
    """Return the nodes in their canonical order."""
    try:
        return canonical.order(dict(zip(cell.nodes, cell.operators, strict=True)), cell.edges)
    except canonical.TooSymmetricError:
        raise CellError(f"the cell has {len(cell.nodes)} nodes too symmetric to be told apart; remove some") from None


@lru_cache(maxsize=4096)
def _canonical(cell: Cell) -> Cell:
    operators = dict(zip(cell.nodes, cell.operators, strict=True))
    order = _order(cell)
    place = {node: position for position, node in enumerate(order)}
    return Cell(
        tuple(range(len(order))),
        tuple(operators[node] for node in order),
        tuple(sorted((place[source], place[target]) for source, target in cell.edges)),
    )

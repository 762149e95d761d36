"""Canonical node order of a cell: exact, and stable across versions.

Two orders, by size, because keys name evaluations and must never change. Up to ``LEAST_DESCRIPTION_NODES`` nodes it is
the topological order with the least description, found by following all ties. That takes exponential time in the number
of ties, so larger cells are ordered by individualisation and refinement with pruning by automorphisms (McKay, Practical
graph isomorphism, 1981; McKay and Piperno 2014).
"""

from collections.abc import Mapping, Sequence

LEAST_DESCRIPTION_NODES = 12
MOST_STEPS = 5_000
"""Refinements after which the search for the order of a large cell is given up, some seconds."""

Colours = tuple[int, ...]
"""A colour for each node: the first place of its class, so that classes are ordered, and places when all differ."""
Invariant = tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]


class TooSymmetricError(Exception):
    """Ordering a cell's nodes takes more than ``MOST_STEPS`` refinements."""


def order(operators: Mapping[int, str], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the nodes (``operators``: node to operator, node 0 first) in canonical, topological order.

    Raises TooSymmetricError, which no cell of up to 30 nodes is known to do.
    """
    sources: dict[int, set[int]] = {node: set() for node in operators}
    targets: dict[int, set[int]] = {node: set() for node in operators}
    for source, target in edges:
        sources[target].add(source)
        targets[source].add(target)
    if len(operators) <= LEAST_DESCRIPTION_NODES:
        return _least_description(operators, sources, targets)
    return _Search(operators, sources, targets).order()


def _least_description(
    operators: Mapping[int, str], sources: Mapping[int, set[int]], targets: Mapping[int, set[int]]
) -> list[int]:
    """Return the topological order whose description is the smallest of all topological orders'.

    A node is described by its operator and its sources' places, so the description determines the cell, and isomorphic
    cells have the same set of descriptions. The smallest is built node by node; only ties are followed further, and of
    nodes with the same sources and targets one stands for all.
    """

    def describe(node: int, place: dict[int, int]) -> tuple[str, list[int]]:
        return operators[node], sorted(place[source] for source in sources[node])

    partial: list[dict[int, int]] = [{0: 0}]
    for position in range(1, len(operators)):
        smallest: tuple[str, list[int]] | None = None
        longer: dict[frozenset[tuple[int, int]], dict[int, int]] = {}
        for place in partial:
            seen = set()
            for node in operators:
                if node in place or not sources[node] <= place.keys():
                    continue
                entry = describe(node, place)
                twin = (tuple(entry[1]), entry[0], frozenset(targets[node]))
                if twin in seen or (smallest is not None and entry > smallest):
                    continue
                seen.add(twin)
                if smallest is None or entry < smallest:
                    smallest, longer = entry, {}
                extended = {**place, node: position}
                longer[frozenset(extended.items())] = extended
        partial = list(longer.values())
    return sorted(operators, key=partial[0].__getitem__)


class _Search:
    """The search tree: its nodes are ordered partitions, its leaves orders; the least leaf is the canonical order.

    Depth in the graph is the first thing a colour tells apart, so every order of the colours is topological.
    """

    def __init__(
        self, operators: Mapping[int, str], sources: Mapping[int, set[int]], targets: Mapping[int, set[int]]
    ) -> None:
        self._names = list(operators)
        index = {node: number for number, node in enumerate(self._names)}
        self._sources = [sorted(index[other] for other in sources[node]) for node in self._names]
        self._targets = [sorted(index[other] for other in targets[node]) for node in self._names]
        depth = [0] * len(self._names)
        for node, before in enumerate(self._sources):  # nodes ascend along edges
            depth[node] = max((depth[other] + 1 for other in before), default=0)
        kinds = [(depth[node], node != 0, operators[name]) for node, name in enumerate(self._names)]
        self._start = tuple(sum(other < kind for other in kinds) for kind in kinds)
        self._steps = 0
        self._best: list[Invariant] = []  # the invariants on the way to the least leaf so far
        self._best_path: list[int] = []
        self._best_leaf: Colours | None = None
        self._automorphisms: list[list[int]] = []

    def order(self) -> list[int]:
        """Return the canonical order of the nodes."""
        colours, invariant = self._refine(self._start)
        self._best = [invariant]
        self._visit(colours, [])
        assert self._best_leaf is not None
        places = self._best_leaf
        return [self._names[node] for node in sorted(range(len(places)), key=places.__getitem__)]

    def _visit(self, colours: Colours, path: list[int]) -> int:
        """Search the subtree of a partition whose invariants equal the best ones so far.

        Return the depth to go back to: where the path to this subtree leaves that to the best leaf, once an
        automorphism between the two is found.
        """
        level = len(path)
        members = self._class_to_split(colours)
        if not members:
            return self._leaf(colours, path)
        explored: list[int] = []
        for node in members:
            if explored and node in self._orbit(explored, path):
                continue
            explored.append(node)
            own = colours[node]
            alone = tuple(
                colour + 1 if colour == own and other != node else colour for other, colour in enumerate(colours)
            )
            finer, invariant = self._refine(alone)
            if len(self._best) > level + 1:
                if invariant > self._best[level + 1]:
                    continue
                if invariant < self._best[level + 1]:
                    del self._best[level + 1 :]
                    self._best_leaf = None
            if len(self._best) == level + 1:
                self._best.append(invariant)
            back = self._visit(finer, [*path, node])
            if back < level:
                return back
        return level

    def _leaf(self, colours: Colours, path: list[int]) -> int:
        # the last invariant spells the whole cell out, so that equal ones are automorphic
        if self._best_leaf is None:
            self._best_leaf, self._best_path = colours, path
            return len(path)
        node_at = {place: node for node, place in enumerate(colours)}
        self._automorphisms.append([node_at[place] for place in self._best_leaf])
        return next(level for level, (one, other) in enumerate(zip(path, self._best_path, strict=True)) if one != other)

    def _class_to_split(self, colours: Colours) -> list[int]:
        """Return the first of the smallest classes with more than one node; empty where there is none."""
        classes: dict[int, list[int]] = {}
        for node, colour in enumerate(colours):
            classes.setdefault(colour, []).append(node)
        several = [(len(members), colour) for colour, members in classes.items() if len(members) > 1]
        return classes[min(several)[1]] if several else []

    def _orbit(self, nodes: list[int], path: list[int]) -> set[int]:
        """Return what the known automorphisms that fix the path make of ``nodes``."""
        fixing = [mapped for mapped in self._automorphisms if all(mapped[node] == node for node in path)]
        found, waiting = set(nodes), list(nodes)
        while waiting:
            node = waiting.pop()
            for mapped in fixing:
                if mapped[node] not in found:
                    found.add(mapped[node])
                    waiting.append(mapped[node])
        return found

    def _refine(self, colours: Colours) -> tuple[Colours, Invariant]:
        """Split classes until all nodes of one have equally many sources and targets in each; return what they have."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TooSymmetricError
        while True:
            seen = [
                (
                    colour,
                    tuple(sorted([colours[other] for other in self._sources[node]])),
                    tuple(sorted([colours[other] for other in self._targets[node]])),
                )
                for node, colour in enumerate(colours)
            ]
            ordered = sorted(seen)
            place: dict[tuple[int, tuple[int, ...], tuple[int, ...]], int] = {}
            for position, signature in enumerate(ordered):
                place.setdefault(signature, position)
            finer = tuple([place[signature] for signature in seen])
            if finer == colours:
                return colours, tuple(ordered)
            colours = finer

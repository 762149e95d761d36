"""The cheapest choice for every layer of a graph, where layers and edges each cost something: dynamic programming.

Layers are decided one by one. Each time a table holds, for every combination of choices of the layers beside it, the
least that all layers decided so far cost; these neighbours are the *frontier*. A chain needs tables of as many entries
as a layer has choices, and a cell of n nodes at most choices^(n - 1). Layers are decided in their own order, or, where
its tables are large, in the order in which the layer with the fewest neighbours comes next, if that is smaller: a
recurrent cell's products then come before the states that they all meet in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
Choices = NDArray[np.int64]

EXACT_STATES = 3**12
BEAM = 256
# tables over so many layers are small, whatever the order
NARROW = 7


@dataclass(frozen=True)
class Factor:
    """What an edge costs: ``costs_KST[k, s, t]`` in setting k, when layer ``first`` takes s and ``second`` takes t."""

    first: int
    second: int
    costs_KST: Costs


@dataclass(frozen=True)
class Solution:
    """The least cost in each setting k, the choice of each layer there, and whether it is certain to be the least."""

    costs_K: Costs
    choices_KL: Choices
    exact: bool


def minimise(
    nodes_LKS: Sequence[Costs], factors: Sequence[Factor], exact_states: int = EXACT_STATES, beam: int = BEAM
) -> Solution:
    """Return the choices of least total cost in every setting; of equal ones, the lower choices of earlier layers.

    ``nodes_LKS[l][k, s]`` is what choice s costs layer l in setting k; infinity forbids it. Where a table for one
    setting would exceed ``exact_states`` entries, the ``beam`` cheapest are kept and the solution says it is inexact.
    """
    pairs = tuple((factor.first, factor.second) for factor in factors)
    order, width = _order(len(nodes_LKS), pairs)
    if 3**width <= exact_states:
        return _exact(nodes_LKS, factors, order)
    last = _last(len(nodes_LKS), pairs)
    before: list[list[Factor]] = [[] for _ in nodes_LKS]
    for factor in factors:
        before[factor.second].append(factor)
    found = [
        _beam(
            [node[k] for node in nodes_LKS],
            [[Factor(f.first, f.second, f.costs_KST[k]) for f in x] for x in before],
            last,
            beam,
        )
        for k in range(nodes_LKS[0].shape[0])
    ]
    return Solution(np.array([cost for cost, _ in found]), np.array([choice for _, choice in found]), False)


def widest(layers: int, pairs: Sequence[tuple[int, int]]) -> int:
    """Return how many entries the largest table has, for one setting and layers of three choices."""
    return int(3 ** _order(layers, tuple(pairs))[1])


def _last(layers: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the last layer that each layer matters to: itself, or its last neighbour."""
    last = list(range(layers))
    for first, second in pairs:
        assert first < second
        last[first] = max(last[first], second)
    return last


@lru_cache(maxsize=16)
def _order(layers: int, pairs: tuple[tuple[int, int], ...]) -> tuple[list[int], int]:
    """Return the order in which layers are decided, and how many layers its largest table is over."""
    last = _last(layers, pairs)
    own = sorted(range(layers), key=lambda layer: (last[layer], layer))
    width = _width(layers, pairs, own)
    if width <= NARROW:
        return own, width
    neighbours = _neighbours(layers, pairs)
    fewest: list[int] = []
    while neighbours:
        fewest.append(min(neighbours, key=lambda layer: (len(neighbours[layer]), layer)))
        _decide(neighbours, fewest[-1])
    other = _width(layers, pairs, fewest)
    return (fewest, other) if other < width else (own, width)


def _neighbours(layers: int, pairs: Sequence[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {layer: set() for layer in range(layers)}
    for first, second in pairs:
        found[first].add(second)
        found[second].add(first)
    return found


def _decide(neighbours: dict[int, set[int]], layer: int) -> set[int]:
    """Take a layer out of the graph, make its neighbours each other's, and return them."""
    beside = neighbours.pop(layer)
    for other in beside:
        neighbours[other] |= beside
        neighbours[other] -= {layer, other}
    return beside


def _width(layers: int, pairs: Sequence[tuple[int, int]], order: Sequence[int]) -> int:
    neighbours = _neighbours(layers, pairs)
    return max(1 + len(_decide(neighbours, layer)) for layer in order)


def _exact(nodes_LKS: Sequence[Costs], factors: Sequence[Factor], order: Sequence[int]) -> Solution:
    """Decide the layers in this order. Tables have an axis for each of their layers, then one for the settings."""
    settings = nodes_LKS[0].shape[0]
    place = {layer: number for number, layer in enumerate(order)}
    # the tables that each layer is decided by: of the layers that a table is over, the first to be decided
    tables: list[list[tuple[tuple[int, ...], Costs]]] = [[] for _ in nodes_LKS]

    def keep(over: tuple[int, ...], table: Costs) -> None:
        tables[min(over, key=place.__getitem__)].append((over, table))

    for factor in factors:
        keep((factor.first, factor.second), np.ascontiguousarray(factor.costs_KST.transpose(1, 2, 0)))
    costs_K: Costs = np.zeros(settings)
    decided: list[tuple[int, tuple[int, ...], Choices]] = []
    for layer in order:
        others = tuple(sorted({other for over, _ in tables[layer] for other in over} - {layer}))
        total = np.ascontiguousarray(nodes_LKS[layer].T).reshape(-1, *(1,) * len(others), settings)
        for over, table in tables[layer]:
            # both in the axes' order: the layer that is decided, then the others by number
            by_axis = np.moveaxis(table, over.index(layer), 0)
            own = iter(by_axis.shape[1:-1])
            shape = [by_axis.shape[0], *(next(own) if other in over else 1 for other in others), settings]
            total = total + by_axis.reshape(shape)
        decided.append((layer, others, total.argmin(0)))
        if others:
            keep(others, total.min(0))
        else:
            costs_K = costs_K + total.min(0)
    choices_KL = np.zeros((settings, len(nodes_LKS)), dtype=np.int64)
    rows = np.arange(settings)
    for layer, others, best in reversed(decided):
        choices_KL[:, layer] = best[(*(choices_KL[:, other] for other in others), rows)]
    return Solution(costs_K, choices_KL, True)


def _beam(
    nodes_LS: Sequence[Costs], before: Sequence[Sequence[Factor]], last: Sequence[int], beam: int
) -> tuple[float, Choices]:
    """Return the least cost found, and its choices, keeping the ``beam`` cheapest combinations after each layer."""
    costs_N: Costs = np.zeros(1)
    chosen_NF: NDArray[np.int8] = np.zeros((1, 0), dtype=np.int8)
    frontier: list[int] = []
    steps: list[tuple[Choices, Choices]] = []  # of each combination kept: where from, and what
    for index, node_S in enumerate(nodes_LS):
        count, choices = len(costs_N), len(node_S)
        parent_N = np.repeat(np.arange(count), choices)
        choice_N = np.tile(np.arange(choices), count)
        costs_N = costs_N[parent_N] + node_S[choice_N]
        for factor in before[index]:
            costs_N = costs_N + factor.costs_KST[chosen_NF[parent_N, frontier.index(factor.first)], choice_N]
        chosen_NF = np.concatenate([chosen_NF[parent_N], choice_N[:, None].astype(np.int8)], axis=1)
        frontier.append(index)
        kept = [position for position, layer in enumerate(frontier) if last[layer] > index]
        chosen_NF, frontier = chosen_NF[:, kept], [frontier[position] for position in kept]
        order_N = np.argsort(costs_N, kind="stable")
        # of combinations that what follows cannot tell apart, the cheapest
        rows_N = [row.tobytes() for row in chosen_NF[order_N]]
        first_N = np.array(list({row: number for number, row in reversed(list(enumerate(rows_N)))}.values()))
        order_N = order_N[np.sort(first_N)[:beam]]
        costs_N, chosen_NF = costs_N[order_N], chosen_NF[order_N]
        steps.append((parent_N[order_N], choice_N[order_N]))
    choices_L = np.zeros(len(nodes_LS), dtype=np.int64)
    row = 0
    for index in range(len(nodes_LS) - 1, -1, -1):
        parents_N, picked_N = steps[index]
        choices_L[index] = picked_N[row]
        row = int(parents_N[row])
    return float(costs_N[0]), choices_L

"""The cheapest choice for every layer of a graph, where layers and edges each cost something: dynamic programming.

Layers are decided in order. Only the *frontier* matters for what follows: the layers decided already that a later one
still reads. One table holds the least cost for each combination of the frontier's choices, so a chain needs as many
entries as a layer has choices, and a cell of n nodes at most choices^(n - 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
Choices = NDArray[np.int64]

EXACT_STATES = 3**12
BEAM = 256


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

    ``nodes_LKS[l][k, s]`` is what choice s costs layer l in setting k; infinity forbids it. Where the table for one
    setting would exceed ``exact_states`` entries, the ``beam`` cheapest are kept and the solution says it is inexact.
    """
    last = _last(len(nodes_LKS), [(factor.first, factor.second) for factor in factors])
    before: list[list[Factor]] = [[] for _ in nodes_LKS]
    for factor in factors:
        before[factor.second].append(factor)
    if widest(len(nodes_LKS), [(factor.first, factor.second) for factor in factors]) <= exact_states:
        return _exact(nodes_LKS, before, last)
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
    last = _last(layers, pairs)
    widths = [0] * (layers + 1)
    for index, end in enumerate(last):
        widths[index] += 1
        widths[end + 1] -= 1
    width = largest = 0
    for change in widths:
        width += change
        largest = max(largest, width)
    return int(3**largest)


def _last(layers: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the last layer that each layer matters to: itself, or its last neighbour."""
    last = list(range(layers))
    for first, second in pairs:
        assert first < second
        last[first] = max(last[first], second)
    return last


def _exact(nodes_LKS: Sequence[Costs], before: Sequence[Sequence[Factor]], last: Sequence[int]) -> Solution:
    settings = nodes_LKS[0].shape[0]
    table: Costs = np.zeros(settings)
    frontier: list[int] = []
    decided: list[tuple[int, list[int], Choices]] = []
    for index, node_KS in enumerate(nodes_LKS):
        shape = (settings, *(1,) * len(frontier), node_KS.shape[1])
        table = table[..., None] + node_KS.reshape(shape)
        for factor in before[index]:
            axes = [1] * (len(frontier) + 2)
            axes[0], axes[-1] = settings, node_KS.shape[1]
            axes[1 + frontier.index(factor.first)] = factor.costs_KST.shape[1]
            table = table + factor.costs_KST.reshape(axes)
        frontier.append(index)
        for done in [layer for layer in frontier if last[layer] == index]:
            axis = 1 + frontier.index(done)
            frontier.remove(done)
            decided.append((done, list(frontier), table.argmin(axis)))
            table = table.min(axis)
    choices_KL = np.zeros((settings, len(nodes_LKS)), dtype=np.int64)
    rows = np.arange(settings)
    for layer, others, best in reversed(decided):
        choices_KL[:, layer] = best[(rows, *(choices_KL[:, other] for other in others))]
    return Solution(table, choices_KL, True)


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

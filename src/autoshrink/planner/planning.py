"""From a network and an array to a plan: split by split, the types and shares that cost least (AccPar, HPCA 2020).

At every split the types of all layers are the cheapest for the split's share, exactly as long as the frontier allows
it (``frontier``). Each side then plans what is left of the network for itself, so the whole is the greedy hierarchy
that AccPar and HyPar use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import UserError
from autoshrink.planner import frontier, tables
from autoshrink.planner.array import Array, Group
from autoshrink.planner.frontier import Factor
from autoshrink.planner.layers import Kind, Network, Partition
from autoshrink.planner.tables import Constants, Floats, Part, Sizes, Splits

GRID = 31
REFINEMENTS = 2
# numbers of a table over all groups that are divided together
ENTRIES = 2**22
MOVES = (0.08, 0.04, 0.02, 0.01, 0.005, 0.0025)
# a tied matrix lies in one way: the embedding's words are the other layer's output channels
TIED_TYPES = np.where(np.eye(3)[[0, 2, 1]] > 0, 0.0, np.inf)
TIED_SHARES = np.where(np.eye(3) > 0, 0.0, np.inf)


class Method(StrEnum):
    """Who chooses the types."""

    DATA = "data"
    """Data parallelism: type I everywhere."""
    OWT = "owt"
    """One weird trick (Krizhevsky 2014): convolutions I, dense layers II."""
    HYPAR = "hypar"
    """HyPar (Song et al., HPCA 2019): the cheapest of I and II."""
    ACCPAR = "accpar"
    """AccPar: the cheapest of I, II and III."""


Shares = Literal["equal", "balanced"]


class Rule(StrEnum):
    """How the share of a split between unequal sides is found."""

    EQUAL = "equal"
    """Each device gets the same."""
    SPEED = "speed"
    """In proportion to the sides' speed."""
    BANDWIDTH = "bandwidth"
    """In proportion to what the sides receive a second."""
    SPLIT = "split"
    """One share for all layers, at which the slower side is fastest."""
    LAYERS = "layers"
    """The same, then a share for each layer."""


@dataclass(frozen=True)
class Settings:
    """How to plan.

    ``shares``: ``equal`` gives each device the same; ``balanced`` tries every ``Rule`` and keeps the fastest plan.
    ``whole``: no dimension is divided below one element a side. ``slowness`` multiplies a layer's counted work in its
    three products (a calibration). ``optimizer_numbers``: what the optimizer keeps for each weight.
    """

    method: Method = Method.ACCPAR
    shares: Shares = "balanced"
    whole: bool = True
    optimizer_numbers: int = 1
    slowness: Mapping[str, tuple[float, float, float]] | None = None
    exact_states: int = frontier.EXACT_STATES
    beam: int = frontier.BEAM


@dataclass(frozen=True)
class Division:
    """One group's plan: how its split divides each layer, and what each side then does.

    ``shares`` are of the first side. A single device divides nothing. Equal sides that do the same are one object.
    """

    group: Group
    part: Part
    types: tuple[Partition, ...] = ()
    shares: tuple[float, ...] = ()
    sides: "tuple[Division, Division] | None" = None
    exact: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether the types of this split and of all below are certain to be the cheapest for their shares."""
        return self.exact and all(side.is_exact for side in self.distinct_sides)

    @property
    def distinct_sides(self) -> "tuple[Division, ...]":
        """The sides, one of two that are the same."""
        if self.sides is None:
            return ()
        first, second = self.sides
        return (first,) if first is second else (first, second)


@dataclass(frozen=True)
class _Task:
    """A group and the part of the network that it works on."""

    group: Group
    part: Part

    @cached_property
    def key(self) -> tuple[Group, bytes]:
        """What tasks of one plan have in common."""
        return self.group, self.part.key

    @cached_property
    def is_equal(self) -> bool:
        """Whether the group's two sides are the same."""
        return self.group.sides is not None and self.group.sides[0] == self.group.sides[1]


@dataclass(frozen=True)
class _Split:
    """How a task is divided: the layers' types, and the first side's shares."""

    types_L: NDArray[np.int64]
    shares_L: Floats
    exact: bool


class Planner:
    """Plans one network by one set of settings; parts that were planned before are not planned again."""

    def __init__(self, network: Network, array: Array, settings: Settings, rule: Rule, thrift: float = 0.0) -> None:
        """``thrift`` is what a full memory costs, in seconds: 0 plans for speed alone."""
        self.network, self.array, self.settings, self.thrift = network, array, settings, thrift
        self.rule = rule
        self.constants = Constants.of(network)
        self.slowness_L3 = slowness(network, settings)
        self.allowed_L3 = _allowed(network, settings.method)

    def plan(self) -> Division:
        """Return the plan. Raises UserError where a layer can be divided no further in any way that is allowed."""
        root = _Task(self.array.root, Part.whole(len(self.network.layers)))
        splits: dict[tuple[Group, bytes], tuple[_Split, _Task, _Task]] = {}
        waiting = [root]
        while waiting:
            # one level of the hierarchy: its groups know nothing of each other, so they are divided together
            level = {task.key: task for task in waiting if task.group.sides is not None and task.key not in splits}
            waiting = []
            for tasks in self._together(list(level.values())):
                fixed = self.array.shares if tasks[0] is root else None
                for task, found in zip(tasks, self._divide(tasks, fixed), strict=True):
                    sides = self._sides(task, found)
                    splits[task.key] = (found, *sides)
                    waiting += sides
        made: dict[tuple[Group, bytes], Division] = {}

        def division(task: _Task) -> Division:
            if task.key not in made:
                if task.group.sides is None:
                    made[task.key] = Division(task.group, task.part)
                else:
                    found, first, second = splits[task.key]
                    types = tuple(Partition(int(kind)) for kind in found.types_L)
                    sides = (division(first), division(second))
                    shares = tuple(found.shares_L.tolist())
                    made[task.key] = Division(task.group, task.part, types, shares, sides, found.exact)
            return made[task.key]

        return division(root)

    def _sides(self, task: "_Task", found: "_Split") -> "tuple[_Task, _Task]":
        assert task.group.sides is not None
        first, second = task.group.sides
        return (
            _Task(first, task.part.scaled(self.constants, found.types_L, found.shares_L)),
            _Task(second, task.part.scaled(self.constants, found.types_L, 1.0 - found.shares_L)),
        )

    def _together(self, tasks: "Sequence[_Task]") -> "Iterator[list[_Task]]":
        """Yield the tasks in lots that are divided at once: equal ones try one share, unequal ones a grid."""
        widest = frontier.widest(len(self.network.layers), self.network.pairs)
        entries = (GRID + 1) * max(widest, 9 * len(self.network.edges), 9 * len(self.network.layers))
        size = max(1, ENTRIES // entries)
        for is_equal in (True, False):
            alike = [task for task in tasks if task.is_equal is is_equal]
            for start in range(0, len(alike), size):
                yield alike[start : start + size]

    def _divide(self, tasks: "Sequence[_Task]", fixed: tuple[float, float] | None) -> "list[_Split]":
        groups = [task.group for task in tasks]
        parts = Part.stacked([task.part for task in tasks])
        splits, sizes = Splits.of(groups, self.array.bytes_per_number), Sizes.of(self.constants, parts)
        rule = Rule.EQUAL if tasks[0].is_equal else self.rule
        if fixed is not None:
            candidates_KC = np.array([[fixed[0]]])
        elif rule is Rule.SPEED:
            candidates_KC = np.array(
                [[speeds[0] / group.speed] for speeds, group in zip(splits.speeds.T, groups, strict=True)]
            )
        elif rule is Rule.BANDWIDTH:
            candidates_KC = (splits.bandwidths[0] / splits.bandwidths.sum(0))[:, None]
        elif rule is Rule.EQUAL:
            candidates_KC = np.array([[group.sides[0].devices / group.devices] for group in groups if group.sides])
        else:
            candidates_KC = np.tile(np.linspace(1.0 / (GRID + 1), GRID / (GRID + 1), GRID), (len(groups), 1))
        found = self._cheapest(splits, parts, candidates_KC, groups)
        types_KL, shares_K, costs_K, exact = found
        width = 1.0 / (GRID + 1)
        for _ in range(REFINEMENTS if candidates_KC.shape[1] > 1 else 0):
            nearby_KC = np.clip(np.linspace(shares_K - width, shares_K + width, 17, axis=1), 1e-6, 1 - 1e-6)
            nearer = self._cheapest(splits, parts, np.append(nearby_KC, shares_K[:, None], axis=1), groups)
            is_cheaper_K = nearer[2] < costs_K
            types_KL = np.where(is_cheaper_K[:, None], nearer[0], types_KL)
            shares_K = np.where(is_cheaper_K, nearer[1], shares_K)
            costs_K = np.where(is_cheaper_K, nearer[2], costs_K)
            width /= 8
        shares_LK = np.tile(shares_K, (len(self.network.layers), 1))
        if rule is Rule.LAYERS and fixed is None:
            shares_LK = self._balance(sizes, splits, parts, types_KL.T, shares_LK)
        return [_Split(types_L, shares_LK[:, index], exact) for index, types_L in enumerate(types_KL)]

    def _cheapest(
        self, splits: Splits, parts: Part, candidates_KC: Floats, groups: Sequence[Group]
    ) -> tuple[NDArray[np.int64], Floats, Floats, bool]:
        """Return each group's cheapest types, for the cheapest of its shares C, with that share and the cost."""
        count, tried = candidates_KC.shape
        shares_K = candidates_KC.ravel()
        shares_LK = np.broadcast_to(shares_K, (len(self.network.layers), len(shares_K)))
        parts, splits = parts.repeated(tried), splits.repeated(tried)
        sizes = Sizes.of(self.constants, parts)
        nodes_LKT = self._layers(sizes, splits, parts, shares_LK)
        possible_LKC: NDArray[np.bool_] = np.isfinite(nodes_LKT).any(axis=2).reshape(-1, count, tried)
        can_K = np.asarray(np.any(np.all(possible_LKC, axis=0), axis=1))
        if not can_K.all():
            stuck = int(can_K.argmin())
            raise UserError(
                self._stuck(int(possible_LKC[:, stuck].sum(axis=1).argmin()), parts, stuck * tried, groups[stuck])
            )
        found = self._solve(nodes_LKT, tables.edge_costs(self.constants, sizes, splits, shares_K), TIED_TYPES)
        costs_KC = found.costs_K.reshape(count, tried)
        best_K = costs_KC.argmin(1)
        rows = np.arange(count)
        return (
            found.choices_KL.reshape(count, tried, -1)[rows, best_K],
            candidates_KC[rows, best_K],
            costs_KC[rows, best_K],
            found.exact,
        )

    def _layers(self, sizes: Sizes, splits: Splits, parts: Part, shares_LK: Floats) -> Floats:
        """Return what each type costs each layer (L, K, 3); infinity where it is not allowed."""
        costs = tables.layer_costs(self.constants, sizes, splits, shares_LK, self.slowness_L3)
        if self.thrift:
            costs = costs + self.thrift * self._fullness(sizes, splits, shares_LK)
        allowed = self.allowed_L3[:, None, :]
        if self.settings.whole:
            allowed = allowed & self._divisible(parts, splits, shares_LK)
        return np.where(allowed, costs, np.inf)

    def _divisible(self, parts: Part, splits: Splits, shares_LK: Floats) -> NDArray[np.bool_]:
        """Return where a type (L, K, 3) leaves each side whole elements, and enough for the splits below it."""
        constants = self.constants
        sizes_LK3 = np.stack(
            [
                constants.batch * parts.batch_L,
                constants.in_channels_L[:, None] * parts.input_L,
                constants.out_channels_L[:, None] * parts.output_L,
            ],
            2,
        )

        def halvings(sizes: Floats) -> Floats:
            counts: Floats = np.floor(np.log2(np.maximum(sizes, 1e-9) + 1e-9))
            return np.where(self.allowed_L3[:, None, :], np.maximum(counts, 0.0), 0.0)

        before = halvings(sizes_LK3)
        possible = np.ones((*shares_LK.shape, 3), dtype=np.bool_)
        for levels_K, share_LK in zip(splits.levels, (shares_LK, 1.0 - shares_LK), strict=True):
            left_LK3 = sizes_LK3 * share_LK[:, :, None]
            after = before.sum(2, keepdims=True) - before + halvings(left_LK3)
            possible &= (left_LK3 >= 1 - 1e-9) & (after >= levels_K[:, None])
        # what both sides do divides nothing
        repeatable_L = np.array([layer.kind is Kind.JOIN for layer in self.network.layers]) & self.allowed_L3[:, 2]
        return np.asarray(possible | (repeatable_L[:, None, None] & np.array([False, False, True])))

    def _fullness(self, sizes: Sizes, splits: Splits, shares_LK: Floats) -> Floats:
        """Return how much of the fuller side's memory each type of each layer takes (L, K, 3)."""
        kept = 2 + self.settings.optimizer_numbers
        weights, inputs, outputs = (
            value[:, :, None] for value in (sizes.weights_LK * kept, sizes.inputs_LK, sizes.outputs_LK)
        )
        weighted_L = np.array([layer.kind is not Kind.JOIN for layer in self.network.layers])
        sides = []
        for share_LK, memory_K in zip((shares_LK, 1.0 - shares_LK), splits.memories, strict=True):
            share, one = share_LK[:, :, None], np.ones_like(share_LK)[:, :, None]
            scale_W = np.concatenate([one, share, share], 2)
            scale_I = np.concatenate([share, share, one], 2)
            scale_O = np.concatenate([share, one, share], 2)
            total = weights * scale_W + inputs * scale_I + outputs * scale_O
            sides.append(np.where(weighted_L[:, None, None], total, 0.0) / memory_K[:, None])
        fuller: Floats = np.maximum(sides[0], sides[1])
        return fuller

    def _solve(self, nodes_LKT: Floats, edges_EKST: Floats, tie_ST: Floats) -> frontier.Solution:
        """Return the cheapest choices; ``tie_ST`` is added for the choices of each embedding and what it is tied to."""
        nodes = list(nodes_LKT)
        factors: list[Factor] = []
        for index, edge in enumerate(self.network.edges):
            costs_KST = edges_EKST[index]
            if edge.source == edge.target:  # what a layer gave in the time step before
                nodes[edge.source] = nodes[edge.source] + np.einsum("kss->ks", costs_KST)
            elif edge.source < edge.target:
                factors.append(Factor(edge.source, edge.target, costs_KST))
            else:
                factors.append(Factor(edge.target, edge.source, costs_KST.transpose(0, 2, 1)))
        tie_KST = np.broadcast_to(tie_ST, (nodes_LKT.shape[1], *tie_ST.shape))
        factors += [Factor(first, second, tie_KST) for first, second in self.network.tied]
        return frontier.minimise(nodes, factors, self.settings.exact_states, self.settings.beam)

    def _balance(
        self, sizes: Sizes, splits: Splits, parts: Part, types_LK: NDArray[np.int64], shares_LK: Floats
    ) -> Floats:
        """Return a share for each layer, never dearer than one for all.

        Each round moves every layer's share a step up, down or not at all, the cheapest combination of all layers.
        """
        constants = self.constants
        layers, groups = shares_LK.shape
        rows_L1, types = np.arange(layers)[:, None], types_LK
        from_forms = constants.output_forms_L3[rows_L1, types][constants.sources_E][:, :, None, None]
        to_forms = constants.input_forms_L3[rows_L1, types][constants.targets_E][:, :, None, None]
        parts_3, splits_3 = parts.repeated(3), splits.repeated(3)
        sizes_3 = Sizes.of(constants, parts_3)
        before_K = np.full(groups, np.inf)
        for move in MOVES:
            options_LK3 = np.clip(shares_LK[:, :, None] + np.array([0.0, -move, move]), 1e-6, 1 - 1e-6)
            costs = self._layers(sizes_3, splits_3, parts_3, options_LK3.reshape(layers, -1))
            costs_LK3T = costs.reshape(layers, groups, 3, 3)
            nodes_LK3 = np.take_along_axis(costs_LK3T, types[:, :, None, None], 3)[..., 0]
            forward, backward = tables.edge_seconds(
                constants,
                sizes,
                splits,
                from_forms,
                to_forms,
                options_LK3[constants.sources_E][:, :, :, None],
                options_LK3[constants.targets_E][:, :, None, :],
            )
            found = self._solve(nodes_LK3, forward.max(0) + backward.max(0), TIED_SHARES)
            chosen_LK = np.take_along_axis(options_LK3, found.choices_KL.T[:, :, None], 2)[..., 0]
            is_cheaper_K = found.costs_K < before_K
            shares_LK = np.where(is_cheaper_K, chosen_LK, shares_LK)
            before_K = np.where(is_cheaper_K, found.costs_K, before_K)
        return shares_LK

    def _stuck(self, index: int, parts: Part, setting: int, group: Group) -> str:
        layer = self.network.layers[index]
        batch = self.network.batch * float(parts.batch_L[index, setting])
        inputs = layer.in_channels * float(parts.input_L[index, setting])
        outputs = layer.out_channels * float(parts.output_L[index, setting])
        return (
            f"{self.network.name}: layer {layer.name} cannot be divided between {group.label} by "
            f"{self.settings.method}: {batch:.3g} examples, {inputs:.3g} input and {outputs:.3g} output channels "
            "are left; give a larger batch (--batch), fewer devices or another method"
        )


def slowness(network: Network, settings: Settings) -> Floats:
    """Return what multiplies each layer's counted work in its three products (L, 3)."""
    measured = settings.slowness or {}
    return np.array([measured.get(layer.name, (1.0, 1.0, 1.0)) for layer in network.layers])


def _allowed(network: Network, method: Method) -> NDArray[np.bool_]:
    rows = []
    for layer in network.layers:
        if method is Method.DATA:
            allowed = {0}
        elif layer.kind is Kind.DEPTHWISE:
            allowed = {0} if method is Method.OWT else {0, 1}
        elif method is Method.ACCPAR or layer.kind is Kind.JOIN:
            allowed = {0, 1, 2}
        elif method is Method.HYPAR:
            allowed = {0, 1}
        else:
            allowed = {0} if layer.kind is Kind.CONVOLUTION else {1}
        rows.append([kind in allowed for kind in range(3)])
    for embedding, tied in network.tied:
        rows[embedding] = [rows[tied][kind] for kind in (0, 2, 1)]
    return np.array(rows)

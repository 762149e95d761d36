"""From a network and an array to a plan: split by split, the types and shares that cost least (AccPar, HPCA 2020).

At every split the types of all layers are the cheapest for the split's share, exactly as long as the frontier allows
it (``frontier``). Each side then plans what is left of the network for itself, so the whole is the greedy hierarchy
that AccPar and HyPar use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import UserError
from autoshrink.planner import frontier, tables
from autoshrink.planner.array import Array, Group
from autoshrink.planner.frontier import Factor
from autoshrink.planner.layers import Kind, Network, Partition
from autoshrink.planner.tables import Constants, Floats, Part, Sizes, Split

GRID = 31
REFINEMENTS = 2
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


class Planner:
    """Plans one network by one set of settings; parts that were planned before are not planned again."""

    def __init__(self, network: Network, array: Array, settings: Settings, rule: Rule, thrift: float = 0.0) -> None:
        """``thrift`` is what a full memory costs, in seconds: 0 plans for speed alone."""
        self.network, self.array, self.settings, self.thrift = network, array, settings, thrift
        self.rule = rule
        self.constants = Constants.of(network)
        self.slowness_L3 = slowness(network, settings)
        self.allowed_L3 = _allowed(network, settings.method)
        self._known: dict[tuple[Group, bytes], Division] = {}

    def plan(self) -> Division:
        """Return the plan. Raises UserError where a layer can be divided no further in any way that is allowed."""
        return self._plan(self.array.root, Part.whole(len(self.network.layers)), self.array.shares)

    def _plan(self, group: Group, part: Part, fixed: tuple[float, float] | None = None) -> Division:
        key = (group, part.key)
        if key not in self._known:
            self._known[key] = Division(group, part) if group.sides is None else self._divide(group, part, fixed)
        return self._known[key]

    def _divide(self, group: Group, part: Part, fixed: tuple[float, float] | None) -> Division:
        assert group.sides is not None
        first, second = group.sides
        split, sizes = Split.of(group, self.array.bytes_per_number), Sizes.of(self.constants, part)
        rule = self.rule if first != second else Rule.EQUAL
        if fixed is not None:
            candidates = np.array([fixed[0]])
        elif rule is Rule.SPEED:
            candidates = np.array([first.speed / group.speed])
        elif rule is Rule.BANDWIDTH:
            candidates = np.array([split.bandwidths[0] / sum(split.bandwidths)])
        elif rule is Rule.EQUAL:
            candidates = np.array([first.devices / group.devices])
        else:
            candidates = np.linspace(1.0 / (GRID + 1), GRID / (GRID + 1), GRID)
        types_L, share, cost, exact = self._cheapest(sizes, split, part, candidates, group)
        width = 1.0 / (GRID + 1)
        for _ in range(REFINEMENTS if len(candidates) > 1 else 0):
            nearby = np.clip(np.linspace(share - width, share + width, 17), 1e-6, 1 - 1e-6)
            found = self._cheapest(sizes, split, part, np.append(nearby, share), group)
            if found[2] < cost:
                types_L, share, cost, exact = found
            width /= 8
        shares_L = np.full(len(self.network.layers), share)
        if rule is Rule.LAYERS and fixed is None:
            shares_L = self._balance(sizes, split, part, types_L, shares_L, group)
        sides = tuple(
            self._plan(side, part.scaled(self.constants, types_L, own))
            for side, own in ((first, shares_L), (second, 1.0 - shares_L))
        )
        types = tuple(Partition(int(kind)) for kind in types_L)
        return Division(group, part, types, tuple(shares_L.tolist()), (sides[0], sides[1]), exact)

    def _cheapest(
        self, sizes: Sizes, split: Split, part: Part, shares_K: Floats, group: Group
    ) -> tuple[NDArray[np.int64], float, float, bool]:
        """Return the cheapest types, for the cheapest of these shares, with that share and the cost."""
        shares_LK = np.broadcast_to(shares_K, (len(self.network.layers), len(shares_K)))
        nodes_LKT = self._layers(sizes, split, part, shares_LK, group)
        possible_LK = np.isfinite(nodes_LKT).any(axis=2)
        if not possible_LK.all(axis=0).any():
            raise UserError(self._stuck(int(possible_LK.sum(axis=1).argmin()), part, group))
        edges_EKST = tables.edge_costs(self.constants, sizes, split, shares_LK)
        found = self._solve(nodes_LKT, edges_EKST, TIED_TYPES)
        best = int(found.costs_K.argmin())
        return found.choices_KL[best], float(shares_K[best]), float(found.costs_K[best]), found.exact

    def _layers(self, sizes: Sizes, split: Split, part: Part, shares_LK: Floats, group: Group) -> Floats:
        """Return what each type costs each layer (L, K, 3); infinity where it is not allowed."""
        constants = self.constants
        costs = tables.layer_costs(constants, sizes, split, shares_LK, self.slowness_L3)
        if self.thrift:
            costs = costs + self.thrift * self._fullness(sizes, split, shares_LK)
        costs = np.where(self.allowed_L3[:, None, :], costs, np.inf)
        if self.settings.whole:
            costs = np.where(self._divisible(part, shares_LK, group), costs, np.inf)
        return costs

    def _divisible(self, part: Part, shares_LK: Floats, group: Group) -> NDArray[np.bool_]:
        """Return where a type (L, K, 3) leaves each side whole elements, and enough for the splits below it."""
        assert group.sides is not None
        constants = self.constants
        sizes_L3 = np.stack(
            [
                constants.batch * part.batch_L,
                constants.in_channels_L * part.input_L,
                constants.out_channels_L * part.output_L,
            ],
            1,
        )

        def halvings(sizes: Floats) -> Floats:
            counts: Floats = np.floor(np.log2(np.maximum(sizes, 1e-9) + 1e-9))
            return np.where(self.allowed_L3[:, None, :], np.maximum(counts, 0.0), 0.0)

        before = halvings(sizes_L3[:, None, :])
        possible = np.ones((*shares_LK.shape, 3), dtype=np.bool_)
        for side, share_LK in zip(group.sides, (shares_LK, 1.0 - shares_LK), strict=True):
            left_LK3 = sizes_L3[:, None, :] * share_LK[:, :, None]
            after = before.sum(2, keepdims=True) - before + halvings(left_LK3)
            possible &= (left_LK3 >= 1 - 1e-9) & (after >= side.levels)
        # what both sides do divides nothing
        repeatable_L = np.array([layer.kind is Kind.JOIN for layer in self.network.layers]) & self.allowed_L3[:, 2]
        return np.asarray(possible | (repeatable_L[:, None, None] & np.array([False, False, True])))

    def _fullness(self, sizes: Sizes, split: Split, shares_LK: Floats) -> Floats:
        """Return how much of the fuller side's memory each type of each layer takes (L, K, 3)."""
        kept = 2 + self.settings.optimizer_numbers
        weights, inputs, outputs = (
            value[:, None, None] for value in (sizes.weights_L * kept, sizes.inputs_L, sizes.outputs_L)
        )
        heavy = (sizes.weights_L > 0)[:, None]
        sides = []
        for share_LK, memory in zip((shares_LK, 1.0 - shares_LK), split.memories, strict=True):
            share, one = share_LK[:, :, None], np.ones_like(share_LK)[:, :, None]
            scale_W = np.concatenate([one, share, share], 2)
            scale_I = np.concatenate([share, share, one], 2)
            scale_O = np.concatenate([share, one, share], 2)
            total = np.where(heavy[:, :, None], weights * scale_W + inputs * scale_I + outputs * scale_O, 0.0)
            sides.append(total / memory)
        return np.maximum(sides[0], sides[1])

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
        self, sizes: Sizes, split: Split, part: Part, types_L: NDArray[np.int64], shares_L: Floats, group: Group
    ) -> Floats:
        """Return a share for each layer, never dearer than one for all.

        Each round moves every layer's share a step up, down or not at all, the cheapest combination of all layers.
        """
        constants = self.constants
        layers = np.arange(len(types_L))
        from_forms = constants.output_forms_L3[layers, types_L][constants.sources_E][:, None, None]
        to_forms = constants.input_forms_L3[layers, types_L][constants.targets_E][:, None, None]
        before = np.inf
        for move in MOVES:
            options_L3 = np.clip(shares_L[:, None] + np.array([0.0, -move, move]), 1e-6, 1 - 1e-6)
            costs_LKT = self._layers(sizes, split, part, options_L3, group)
            nodes_L3 = costs_LKT[layers, :, types_L]
            forward, backward = tables.edge_seconds(
                constants,
                sizes,
                split,
                from_forms,
                to_forms,
                options_L3[constants.sources_E][:, :, None],
                options_L3[constants.targets_E][:, None, :],
            )
            edges_E33 = forward.max(0) + backward.max(0)
            found = self._solve(nodes_L3[:, None, :], edges_E33[:, None], TIED_SHARES)
            if not found.costs_K[0] < before:
                continue
            before = float(found.costs_K[0])
            shares_L = options_L3[layers, found.choices_KL[0]]
        return shares_L

    def _stuck(self, index: int, part: Part, group: Group) -> str:
        layer = self.network.layers[index]
        batch = self.network.batch * float(part.batch_L[index])
        inputs = layer.in_channels * float(part.input_L[index])
        outputs = layer.out_channels * float(part.output_L[index])
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

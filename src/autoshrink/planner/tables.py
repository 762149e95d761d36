"""What each choice costs at one split: computing, sums over both sides, and moving tensors between layers (AccPar).

A layer's type fixes how its tensors lie: divided by batch, divided by channel, or whole on both sides. A side receives
what it needs and does not have, and the slower side decides. With one share on both ends of an edge this is AccPar's
table of communication; with two it is its generalisation.

Shapes: L layers, E edges, K settings (a group's part of the network, and its shares), S choices of a source, T of its
target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from autoshrink.planner.array import Group
from autoshrink.planner.layers import Edge, Kind, Network

Floats = NDArray[np.float64]

BATCH, CHANNEL, WHOLE, NONE = range(4)
# how the output and the input of a layer lie, by type; the errors lie as the tensors they belong to
OUTPUT_FORMS = {
    Kind.CONVOLUTION: (BATCH, WHOLE, CHANNEL),
    Kind.DENSE: (BATCH, WHOLE, CHANNEL),
    Kind.DEPTHWISE: (BATCH, CHANNEL, NONE),
    Kind.JOIN: (BATCH, CHANNEL, WHOLE),
    Kind.EMBEDDING: (BATCH, WHOLE, CHANNEL),
}
INPUT_FORMS = {
    Kind.CONVOLUTION: (BATCH, CHANNEL, WHOLE),
    Kind.DENSE: (BATCH, CHANNEL, WHOLE),
    Kind.DEPTHWISE: (BATCH, CHANNEL, NONE),
    Kind.JOIN: (BATCH, CHANNEL, WHOLE),
    Kind.EMBEDDING: (BATCH, CHANNEL, WHOLE),
}


@dataclass(frozen=True)
class Constants:
    """A network's sizes as arrays, to compute with all layers at once."""

    batch: int
    in_channels_L: Floats
    out_channels_L: Floats
    weights_L: Floats
    inputs_L: Floats
    outputs_L: Floats
    work_L3: Floats
    """Floating-point operations of an example's three products."""
    output_forms_L3: NDArray[np.int64]
    input_forms_L3: NDArray[np.int64]
    joined_channels_L: NDArray[np.bool_]
    """Layers whose input and output channels are divided as one."""
    sums_L3: Floats
    """How much of a tensor is ever summed: the output (type II), the input's error (III), the weights' gradient (I)."""
    sources_E: NDArray[np.int64]
    targets_E: NDArray[np.int64]
    elements_E: Floats
    returned_E: Floats
    """Which part of an edge's tensor an error comes back for: 0 where nothing before learns; one time step fewer than
    all for what the time step before gave."""

    @classmethod
    def of(cls, network: Network) -> "Constants":
        """Return the arrays of a network."""
        layers = network.layers

        def column(name: str) -> Floats:
            return np.array([getattr(layer, name) for layer in layers], dtype=np.float64)

        weighted = np.array([layer.kind is not Kind.JOIN for layer in layers])
        joined = np.array([layer.kind in (Kind.JOIN, Kind.DEPTHWISE) for layer in layers])
        errors = np.array([_errors(network, index) for index in range(len(layers))])
        products = 2.0 * column("macs")[:, None].repeat(3, 1)
        products[:, 1] *= errors
        return cls(
            network.batch,
            column("in_channels"),
            column("out_channels"),
            column("weights"),
            column("inputs"),
            column("outputs"),
            products,
            np.array([OUTPUT_FORMS[layer.kind] for layer in layers]),
            np.array([INPUT_FORMS[layer.kind] for layer in layers]),
            joined,
            np.stack([~joined, ~joined * errors, weighted], 1),
            np.array([edge.source for edge in network.edges], dtype=np.int64),
            np.array([edge.target for edge in network.edges], dtype=np.int64),
            np.array([edge.elements for edge in network.edges], dtype=np.float64),
            np.array([_returned(network, edge) for edge in network.edges], dtype=np.float64),
        )


def _errors(network: Network, layer: int) -> float:
    """Return for which part of a layer's input an error is computed."""
    assert network.loop is not None or not network.begins_the_loop(layer)
    if network.loop is not None and network.begins_the_loop(layer):
        return (network.loop.steps - 1) / network.loop.steps
    return float(network.layers[layer].needs_input_error)


def _returned(network: Network, edge: Edge) -> float:
    if not network.layers[edge.target].needs_input_error:
        return 0.0
    assert network.loop is not None or not edge.previous
    return (network.loop.steps - 1) / network.loop.steps if network.loop and edge.previous else 1.0


@dataclass(frozen=True)
class Part:
    """The part of a network that a group works on: what is left of each layer's batch and channels, in (0, 1].

    ``stacked`` parts have a second axis.
    """

    batch_L: Floats
    input_L: Floats
    output_L: Floats

    @classmethod
    def stacked(cls, parts: "Sequence[Part]") -> "Part":
        """Return several groups' parts side by side (L, K)."""
        return cls(
            *(np.stack([getattr(part, name) for part in parts], 1) for name in ("batch_L", "input_L", "output_L"))
        )

    def repeated(self, count: int) -> "Part":
        """Return stacked parts with each one ``count`` times."""
        return Part(*(np.repeat(each, count, 1) for each in (self.batch_L, self.input_L, self.output_L)))

    @classmethod
    def whole(cls, layers: int) -> "Part":
        """Return all of a network of so many layers."""
        return cls(np.ones(layers), np.ones(layers), np.ones(layers))

    def scaled(self, constants: Constants, types_L: NDArray[np.int64], shares_L: Floats) -> "Part":
        """Return what a side with these shares works on once the layers are divided by ``types_L``."""
        by_batch = types_L == 0
        joined = constants.joined_channels_L
        by_input = types_L == 1
        by_output = ((types_L == 2) & ~joined) | (by_input & joined)
        return Part(
            np.where(by_batch, self.batch_L * shares_L, self.batch_L),
            np.where(by_input, self.input_L * shares_L, self.input_L),
            np.where(by_output, self.output_L * shares_L, self.output_L),
        )

    @property
    def key(self) -> bytes:
        """A text equal for equal parts."""
        return self.batch_L.tobytes() + self.input_L.tobytes() + self.output_L.tobytes()


@dataclass(frozen=True)
class Sizes:
    """Elements of stacked parts' tensors, and their work, for a whole batch."""

    weights_LK: Floats
    inputs_LK: Floats
    outputs_LK: Floats
    work_LK3: Floats
    edges_EK: Floats

    SUMS: ClassVar[tuple[int, int, int]] = (1, 2, 0)
    """The type that sums in the forward, the error and the gradient product."""

    @classmethod
    def of(cls, constants: Constants, parts: Part) -> "Sizes":
        """Return the sizes of stacked parts."""
        joined = constants.joined_channels_L[:, None]
        channels_LK = np.where(joined, parts.input_L, parts.input_L * parts.output_L)
        batch = constants.batch
        return cls(
            constants.weights_L[:, None] * channels_LK,
            batch * constants.inputs_L[:, None] * parts.batch_L * parts.input_L,
            batch * constants.outputs_L[:, None] * parts.batch_L * parts.output_L,
            batch * constants.work_L3[:, None] * (parts.batch_L * channels_LK)[:, :, None],
            batch * constants.elements_E[:, None] * (parts.batch_L * parts.input_L)[constants.targets_E],
        )

    def summed(self, product: int) -> Floats:
        """Return what a side receives in a product (L, K), where its type sums there."""
        return (self.outputs_LK, self.inputs_LK, self.weights_LK)[product]


def received(source: Floats, target: Floats, from_form: NDArray[np.int64], to_form: NDArray[np.int64]) -> Floats:
    """Return which part of a tensor a side receives that holds the share ``source`` of it and needs ``target``.

    Shares of one dimension are taken from the same end, so that equal ones move nothing.
    """
    same = from_form == to_form
    needs_all = to_form == WHOLE
    moved = np.where(same, np.maximum(target - source, 0.0), target * (1.0 - source))
    moved = np.where(needs_all, 1.0 - source, moved)
    return np.where(from_form == WHOLE, 0.0, moved)


@dataclass(frozen=True)
class Splits:
    """The two sides of groups, as the planner sees them before they are split further: arrays (2, K)."""

    speeds: Floats
    bandwidths: Floats
    """Numbers (not bytes) a second."""
    memories: Floats
    """Numbers."""
    levels: NDArray[np.int64]
    """Splits below."""

    @classmethod
    def of(cls, groups: Sequence[Group], bytes_per_number: int) -> "Splits":
        """Return the splits of ``groups``."""
        sides = [group.sides for group in groups if group.sides is not None]
        assert len(sides) == len(groups)
        return cls(
            np.array([[pair[side].speed for pair in sides] for side in (0, 1)]),
            np.array([[group.receiving(side) / bytes_per_number for group in groups] for side in (0, 1)]),
            np.array([[pair[side].memory / bytes_per_number for pair in sides] for side in (0, 1)]),
            np.array([[pair[side].levels for pair in sides] for side in (0, 1)]),
        )

    def repeated(self, count: int) -> "Splits":
        """Return the splits with each one ``count`` times."""
        speeds, bandwidths, memories = (
            np.repeat(each, count, 1) for each in (self.speeds, self.bandwidths, self.memories)
        )
        return Splits(speeds, bandwidths, memories, np.repeat(self.levels, count, 1))


def layer_seconds(
    constants: Constants, sizes: Sizes, splits: Splits, shares_LK: Floats, slowness_L3: Floats
) -> tuple[Floats, Floats]:
    """Return seconds of both sides' computing, and of receiving where the type sums: (2, L, K, 3 products) each.

    ``slowness_L3`` multiplies the counted work, 1 where nothing was measured.
    """
    work_LK3 = sizes.work_LK3 * slowness_L3[:, None]
    sides = (shares_LK, 1.0 - shares_LK)
    computing = np.stack(
        [
            share_LK[:, :, None] * work_LK3 / speed_K[:, None]
            for share_LK, speed_K in zip(sides, splits.speeds, strict=True)
        ]
    )
    receiving = np.empty_like(computing)
    for product in range(3):
        summed_LK = constants.sums_L3[:, product, None] * sizes.summed(product)
        for side in (0, 1):
            receiving[side, :, :, product] = summed_LK / splits.bandwidths[side]
    return computing, receiving


def layer_costs(constants: Constants, sizes: Sizes, splits: Splits, shares_LK: Floats, slowness_L3: Floats) -> Floats:
    """Return seconds (L, K, 3 types): for each product the slower side's computing and receiving."""
    computing, receiving = layer_seconds(constants, sizes, splits, shares_LK, slowness_L3)
    alone, summing = computing.max(0), (computing + receiving).max(0)
    costs = np.empty((3, *shares_LK.shape))
    for kind in range(3):
        first, second, third = (
            (summing if summed == kind else alone)[:, :, product] for product, summed in enumerate(Sizes.SUMS)
        )
        costs[kind] = first + second + third
    costs_LKT = costs.transpose(1, 2, 0)
    return np.where((constants.output_forms_L3 == NONE)[:, None, :], np.inf, costs_LKT)


def edge_seconds(
    constants: Constants,
    sizes: Sizes,
    splits: Splits,
    from_forms: NDArray[np.int64],
    to_forms: NDArray[np.int64],
    source_shares: Floats,
    target_shares: Floats,
) -> tuple[Floats, Floats]:
    """Return seconds (2 sides, E, K, ...) of receiving an edge's tensor, and its error on the way back.

    Forms and shares are of shape (E, K, ...), the source's output and the target's input.
    """
    extra = (1,) * (np.broadcast(source_shares, from_forms, to_forms).ndim - 2)
    edges = sizes.edges_EK.reshape(*sizes.edges_EK.shape, *extra)
    returned = constants.returned_E.reshape(-1, 1, *extra)
    forward, backward = [], []
    for side, bandwidth_K in enumerate(splits.bandwidths):
        source, target = (source_shares, target_shares) if side == 0 else (1.0 - source_shares, 1.0 - target_shares)
        bandwidth = bandwidth_K.reshape(-1, *extra)
        forward.append(edges * received(source, target, from_forms, to_forms) / bandwidth)
        backward.append(returned * (edges * received(target, source, to_forms, from_forms) / bandwidth))
    return np.stack(forward), np.stack(backward)


def edge_costs(constants: Constants, sizes: Sizes, splits: Splits, shares_K: Floats) -> Floats:
    """Return seconds (E, K, S, T) of moving each edge's tensor forward and its error back, the slower side's.

    The layers of a setting have one share. What a side receives then depends on the two forms alone.
    """
    from_ES1 = constants.output_forms_L3[constants.sources_E][:, :, None]
    to_E1T = constants.input_forms_L3[constants.targets_E][:, None, :]
    forms = np.arange(NONE + 1)
    edges, returned = sizes.edges_EK[:, None, None], constants.returned_E[:, None, None, None]
    forward, backward = [], []
    for side, bandwidth_K in enumerate(splits.bandwidths):
        share_K = shares_K if side == 0 else 1.0 - shares_K
        parts_FGK = received(share_K, share_K, forms[:, None, None], forms[None, :, None])
        # settings last, as the solver has them
        forward.append(edges * parts_FGK[from_ES1, to_E1T] / bandwidth_K)
        backward.append(returned * (edges * parts_FGK[to_E1T, from_ES1] / bandwidth_K))
    costs_ESTK: Floats = np.maximum(*forward) + np.maximum(*backward)
    return costs_ESTK.transpose(0, 3, 1, 2)

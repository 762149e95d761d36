"""What each choice costs at one split: computing, sums over both sides, and moving tensors between layers (AccPar).

A layer's type fixes how its tensors lie: divided by batch, divided by channel, or whole on both sides. A side receives
what it needs and does not have, and the slower side decides. With one share on both ends of an edge this is AccPar's
table of communication; with two it is its generalisation.

Shapes: L layers, E edges, K settings (shares), S choices of a source, T of its target.
"""

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
    """The part of a network that a group works on: what is left of each layer's batch and channels, in (0, 1]."""

    batch_L: Floats
    input_L: Floats
    output_L: Floats

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
    """Elements of a part's tensors, and its work, for a whole batch."""

    weights_L: Floats
    inputs_L: Floats
    outputs_L: Floats
    work_L3: Floats
    edges_E: Floats

    SUMS: ClassVar[tuple[int, int, int]] = (1, 2, 0)
    """The type that sums in the forward, the error and the gradient product."""

    @classmethod
    def of(cls, constants: Constants, part: Part) -> "Sizes":
        """Return the sizes of ``part``."""
        channels_L = np.where(constants.joined_channels_L, part.input_L, part.input_L * part.output_L)
        batch = constants.batch
        return cls(
            constants.weights_L * channels_L,
            batch * constants.inputs_L * part.batch_L * part.input_L,
            batch * constants.outputs_L * part.batch_L * part.output_L,
            batch * constants.work_L3 * (part.batch_L * channels_L)[:, None],
            batch * constants.elements_E * (part.batch_L * part.input_L)[constants.targets_E],
        )

    @property
    def sums_L3(self) -> Floats:
        """What a side receives in each product, where its type sums there."""
        return np.stack([self.outputs_L, self.inputs_L, self.weights_L], 1)


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
class Split:
    """The two sides of a group, as the planner sees them before they are split further."""

    speeds: tuple[float, float]
    bandwidths: tuple[float, float]
    """Numbers (not bytes) a second."""
    memories: tuple[float, float]
    """Numbers."""

    @classmethod
    def of(cls, group: Group, bytes_per_number: int) -> "Split":
        """Return the split of ``group``."""
        assert group.sides is not None
        first, second = group.sides
        return cls(
            (first.speed, second.speed),
            (group.receiving(0) / bytes_per_number, group.receiving(1) / bytes_per_number),
            (first.memory / bytes_per_number, second.memory / bytes_per_number),
        )


def layer_seconds(
    constants: Constants, sizes: Sizes, split: Split, shares_LK: Floats, slowness_L3: Floats
) -> tuple[Floats, Floats]:
    """Return seconds of both sides' computing (2, L, K, 3 products) and receiving (2, L, 3 types, 3 products).

    ``slowness_L3`` multiplies the counted work, 1 where nothing was measured.
    """
    work_L3 = sizes.work_L3 * slowness_L3
    sides = (shares_LK, 1.0 - shares_LK)
    computing = np.stack(
        [share_LK[:, :, None] * work_L3[:, None] / speed for share_LK, speed in zip(sides, split.speeds, strict=True)]
    )
    receiving = np.zeros((2, len(shares_LK), 3, 3))
    for product, kind in enumerate(Sizes.SUMS):
        summed_L = constants.sums_L3[:, product] * sizes.sums_L3[:, product]
        for side in (0, 1):
            receiving[side, :, kind, product] = summed_L / split.bandwidths[side]
    return computing, receiving


def layer_costs(constants: Constants, sizes: Sizes, split: Split, shares_LK: Floats, slowness_L3: Floats) -> Floats:
    """Return seconds (L, K, 3 types): for each product the slower side's computing and receiving."""
    computing, receiving = layer_seconds(constants, sizes, split, shares_LK, slowness_L3)
    both = computing[:, :, :, None, :] + receiving[:, :, None, :, :]
    costs: Floats = both.max(0).sum(-1)
    return np.where((constants.output_forms_L3 == NONE)[:, None, :], np.inf, costs)


def edge_seconds(
    constants: Constants,
    sizes: Sizes,
    split: Split,
    from_forms: NDArray[np.int64],
    to_forms: NDArray[np.int64],
    source_shares: Floats,
    target_shares: Floats,
) -> tuple[Floats, Floats]:
    """Return seconds (2 sides, E, ...) of receiving an edge's tensor, and its error on the way back.

    Forms and shares are of shape (E, ...), the source's output and the target's input.
    """
    extra = (1,) * (np.broadcast(source_shares, from_forms, to_forms).ndim - 1)
    edges = sizes.edges_E.reshape(-1, *extra)
    returned = constants.returned_E.reshape(-1, *extra)
    forward, backward = [], []
    for side, bandwidth in enumerate(split.bandwidths):
        source, target = (source_shares, target_shares) if side == 0 else (1.0 - source_shares, 1.0 - target_shares)
        forward.append(edges * received(source, target, from_forms, to_forms) / bandwidth)
        backward.append(returned * (edges * received(target, source, to_forms, from_forms) / bandwidth))
    return np.stack(forward), np.stack(backward)


def edge_costs(constants: Constants, sizes: Sizes, split: Split, shares_LK: Floats) -> Floats:
    """Return seconds (E, K, S, T) of moving each edge's tensor forward and its error back, the slower side's."""
    from_forms = constants.output_forms_L3[constants.sources_E][:, None, :, None]
    to_forms = constants.input_forms_L3[constants.targets_E][:, None, None, :]
    source, target = (shares_LK[ends][:, :, None, None] for ends in (constants.sources_E, constants.targets_E))
    forward, backward = edge_seconds(constants, sizes, split, from_forms, to_forms, source, target)
    costs: Floats = forward.max(0) + backward.max(0)
    return costs

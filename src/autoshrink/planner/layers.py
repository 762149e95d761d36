"""What is planned: a network as a directed acyclic graph of layers that have weights, and of joins that have none.

Whatever keeps an element where it is (activation, batch norm, pooling, dropout, reshaping) is part of the edge it
stands on: an edge is as large as what its consumer reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property


class Partition(IntEnum):
    """Which dimension of a layer's tensors is divided between two sides (AccPar's types I, II and III).

    A depthwise convolution's two channel dimensions are one, so it has no ``OUTPUT``. A join is divided by ``BATCH``,
    divided by channels (``INPUT``) or done by both sides (``OUTPUT``).
    """

    BATCH = 0
    INPUT = 1
    OUTPUT = 2

    @property
    def numeral(self) -> str:
        """The paper's name: I, II or III."""
        return ("I", "II", "III")[self]


class Kind(StrEnum):
    """What a layer computes."""

    CONVOLUTION = "convolution"
    DENSE = "dense"
    DEPTHWISE = "depthwise"
    """A convolution in groups: divided between groups it sums nothing over the sides."""
    JOIN = "join"
    """An addition, product or concatenation: no weights, no cost of its own."""


@dataclass(frozen=True)
class Source:
    """An input of a layer: the index of the layer it comes from, and its elements for one example, as read."""

    layer: int
    elements: int


@dataclass(frozen=True)
class Layer:
    """One layer. Maps are pixels (or time steps) of one channel, 1 for a dense layer.

    ``sources`` holds no entry for the network's own input: every device loads what it needs of that.
    ``needs_input_error`` is False where nothing before the layer learns.
    """

    name: str
    kind: Kind
    in_channels: int
    out_channels: int
    kernel: int
    in_map: int
    out_map: int
    sources: tuple[Source, ...]
    groups: int = 1
    needs_input_error: bool = True

    @property
    def weights(self) -> int:
        """Elements of W; biases and batch norm, which are small, are left out."""
        if self.kind is Kind.JOIN:
            return 0
        return self.in_channels * self.out_channels * self.kernel // self.groups

    @property
    def macs(self) -> int:
        """An example's multiply-accumulates, forward; each of the backward pass's two products has as many."""
        return self.weights * self.out_map

    @property
    def inputs(self) -> int:
        """Elements that one example brings in."""
        return self.in_channels * self.in_map

    @property
    def outputs(self) -> int:
        """Elements that one example leads to, before any pooling."""
        return self.out_channels * self.out_map


@dataclass(frozen=True)
class Edge:
    """What one layer hands to another: ``elements`` numbers for one example."""

    source: int
    target: int
    elements: int


@dataclass(frozen=True)
class Network:
    """Layers in topological order, and the examples of one training step."""

    name: str
    batch: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        assert self.batch >= 1, "a batch has at least one example"
        for index, layer in enumerate(self.layers):
            assert all(0 <= source.layer < index for source in layer.sources), f"{layer.name} reads a later layer"

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by consumer and then in the order in which it reads them."""
        return tuple(
            Edge(source.layer, index, source.elements)
            for index, layer in enumerate(self.layers)
            for source in layer.sources
        )

    @property
    def weights(self) -> int:
        """Elements of all weights."""
        return sum(layer.weights for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one example's forward pass."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weighted(self) -> tuple[int, ...]:
        """Indices of the layers that have weights."""
        return tuple(index for index, layer in enumerate(self.layers) if layer.kind is not Kind.JOIN)


def chain(name: str, batch: int, layers: Sequence[Layer]) -> Network:
    """Return the network in which each layer reads the one before; ``sources`` of ``layers`` are replaced."""
    linked = [
        Layer(
            layer.name,
            layer.kind,
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            layer.in_map,
            layer.out_map,
            (Source(index - 1, layer.inputs),) if index else (),
            layer.groups,
            layer.needs_input_error,
        )
        for index, layer in enumerate(layers)
    ]
    return Network(name, batch, tuple(linked))

"""What is planned: a network as a directed graph of layers that have weights, and of joins that have none.

Whatever keeps an element where it is (activation, batch norm, pooling, dropout, reshaping) is part of the edge it
stands on: an edge is as large as what its consumer reads. The graph is acyclic but for a recurrent layer's ``Loop``,
whose edges may come from the time step before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property


class Partition(IntEnum):
    """Which dimension of a layer's tensors is divided between two sides (AccPar's types I, II and III).

    A depthwise convolution's two channel dimensions are one, so it has no ``OUTPUT``. A join is divided by ``BATCH``,
    divided by channels (``INPUT``) or done by both sides (``OUTPUT``). An embedding's input channels are its words.
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
    EMBEDDING = "embedding"
    """A dense layer of words: it looks its rows up, and multiplies nothing."""


@dataclass(frozen=True)
class Source:
    """An input of a layer: the index of the layer it comes from, and its elements for one example, as read.

    In a loop ``elements`` are those of all time steps; ``previous`` is what the source gave in the time step before.
    """

    layer: int
    elements: int
    previous: bool = False


@dataclass(frozen=True)
class Layer:
    """One layer. Maps are pixels (or time steps) of one channel, 1 for a dense layer.

    ``sources`` holds no entry for the network's own input: every device loads what it needs of that.
    ``needs_input_error`` is False where nothing before the layer learns; ``holds_weights``, where its weights are those
    of another layer (``Network.tied``).
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
    holds_weights: bool = True

    @property
    def weights(self) -> int:
        """Elements of W; biases and batch norm, which are small, are left out."""
        return self._matrix if self.holds_weights else 0

    @property
    def macs(self) -> int:
        """An example's multiply-accumulates, forward; each of the backward pass's two products has as many."""
        return 0 if self.kind is Kind.EMBEDDING else self._matrix * self.out_map

    @property
    def _matrix(self) -> int:
        if self.kind is Kind.JOIN:
            return 0
        return self.in_channels * self.out_channels * self.kernel // self.groups

    @property
    def inputs(self) -> int:
        """Elements that one example brings in; words are none."""
        return 0 if self.kind is Kind.EMBEDDING else self.in_channels * self.in_map

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
    previous: bool = False


@dataclass(frozen=True)
class Loop:
    """A recurrent layer: layers ``first`` to ``end`` - 1 run once for each of ``steps`` time steps.

    Their weights are those of all time steps, so they are divided alike in all, and their gradient is computed, and
    summed over the sides, once for all. Errors do not travel back beyond the first time step.
    """

    first: int
    end: int
    steps: int

    def __contains__(self, layer: int) -> bool:
        return self.first <= layer < self.end


@dataclass(frozen=True)
class Network:
    """Layers in topological order, and the examples of one training step.

    ``tied`` are pairs of an embedding and the dense layer that multiplies by the embedding's weights, transposed.
    """

    name: str
    batch: int
    layers: tuple[Layer, ...]
    loop: Loop | None = None
    tied: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        assert self.batch >= 1, "a batch has at least one example"
        for edge in self.edges:
            name = self.layers[edge.target].name
            if edge.previous:
                assert self.is_inside(edge), f"{name} reads an earlier time step from outside the loop"
            else:
                assert 0 <= edge.source < edge.target, f"{name} reads a later layer"

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by consumer and then in the order in which it reads them."""
        return tuple(
            Edge(source.layer, index, source.elements, source.previous)
            for index, layer in enumerate(self.layers)
            for source in layer.sources
        )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The layers whose choices cost something together, each pair in the layers' order."""
        found = [(min(edge.source, edge.target), max(edge.source, edge.target)) for edge in self.edges]
        return (*((first, second) for first, second in found if first != second), *self.tied)

    def is_inside(self, edge: Edge) -> bool:
        """Return whether an edge's tensor moves in every time step of the loop."""
        return self.loop is not None and edge.source in self.loop and edge.target in self.loop

    def begins_the_loop(self, layer: int) -> bool:
        """Return whether a layer reads the time step before alone: in the first one nothing before it learns."""
        sources = self.layers[layer].sources
        return bool(sources) and all(source.previous for source in sources)

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

"""From the operations of a model, in the order of computation, to the layers that are planned.

Readers of models (``readers``) turn each operation into one of four: it multiplies by weights, it passes elements on,
it adds or multiplies tensors, or it concatenates them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.errors import UserError
from autoshrink.planner.layers import Kind, Layer, Network, Source

KNOWN = (
    "convolutions, dense layers, additions, products, concatenations, and what works on each element or pools: "
    "activations, normalisation, dropout, pooling, reshaping"
)


@dataclass(frozen=True)
class Weighted:
    """What an operation with weights multiplies."""

    kind: Kind
    in_channels: int
    out_channels: int
    kernel: int
    in_map: int
    out_map: int
    groups: int = 1


@dataclass(frozen=True)
class Operation:
    """One operation: the tensors it reads (indices of operations; -1: the model's input) and its output's elements.

    ``elements`` is for one example. ``weighted`` tells an operation with weights, ``joins`` an addition or product;
    of the others those with several inputs concatenate.
    """

    name: str
    inputs: tuple[int, ...]
    elements: int
    weighted: Weighted | None = None
    joins: bool = False


@dataclass(frozen=True)
class _Value:
    """A tensor: the layers that its elements come from, and how many of each; none where it is the model's input."""

    parts: tuple[Source, ...]


def unknown(model: str, layer: str, operator: str) -> UserError:
    """Return what is said of an operator that cannot be planned."""
    return UserError(
        f"{model}: layer {layer} has the operator {operator}, which the planner does not know; known: {KNOWN}"
    )


def to_network(name: str, batch: int, operations: Sequence[Operation]) -> Network:
    """Return the layers of a model. Raises UserError where none has weights."""
    uses = Counter(index for operation in operations for index in operation.inputs)
    values: dict[int, _Value] = {-1: _Value(())}
    layers: list[Layer] = []

    def add(layer: Layer) -> _Value:
        layers.append(layer)
        return _Value((Source(len(layers) - 1, 0),))

    def scaled(value: _Value, elements: int) -> _Value:
        """Return the tensor after it was pooled or sliced to so many elements."""
        before = sum(part.elements for part in value.parts)
        if not value.parts or before == elements:
            return value
        if not before:  # a layer's own output, whose size its operation knows
            return _Value((Source(value.parts[0].layer, elements),))
        return _Value(tuple(Source(part.layer, round(part.elements * elements / before)) for part in value.parts))

    def join(label: str, parts: Sequence[Source], elements: int) -> _Value:
        return add(Layer(label, Kind.JOIN, elements, elements, 1, 1, 1, tuple(parts)))

    for index, operation in enumerate(operations):
        read = [values[item] for item in operation.inputs]
        parts = tuple(part for value in read for part in value.parts)
        if operation.weighted is not None:
            what = operation.weighted
            layer = Layer(
                operation.name,
                what.kind,
                what.in_channels,
                what.out_channels,
                what.kernel,
                what.in_map,
                what.out_map,
                parts,
                what.groups,
                bool(parts),
            )
            found = add(layer)
        elif operation.joins and len({part.layer for part in parts}) > 1:
            found = join(operation.name, parts, operation.elements)
        else:
            found = _Value(parts)
        found = scaled(found, operation.elements)
        if len(found.parts) > 1 and uses[index] > 1:
            # what several layers read is put together once
            found = scaled(join(operation.name, found.parts, operation.elements), operation.elements)
        values[index] = found
    network = Network(name, batch, tuple(layers))
    if not network.weighted:
        raise UserError(f"{name}: has no layer with weights, so there is nothing to plan")
    return network

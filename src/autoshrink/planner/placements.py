"""A layer's type as placements of PyTorch's DTensor, for one dimension of a device mesh.

Weights are laid out as torch has them, (output, input, ...), and activations as (batch, channel, ...). A type II
layer's output is a partial sum, which redistributing to ``Replicate()`` adds up; so is a type III layer's error at
its input, and a type I layer's gradient. DTensor runs dense layers and embeddings so; of convolutions type I alone: for
II and III torch 2.15 gives wrong outputs.
"""

from dataclasses import asdict, dataclass

from autoshrink.planner.layers import Kind, Partition


@dataclass(frozen=True)
class Placements:
    """Placements by their constructors' text, such as ``Shard(0)``, of a layer's weight, input and output."""

    weight: str
    input: str
    output: str


_BATCH = Placements("Replicate()", "Shard(0)", "Shard(0)")
_CHANNEL = Placements("Shard(0)", "Shard(1)", "Shard(1)")


_OUTPUTS = {Partition.INPUT: "Partial()", Partition.OUTPUT: "Shard(1)"}


def of_kind(kind: Kind) -> dict[str, dict[str, str]]:
    """Return, by the name of each type that layers of this kind can have, the placements as JSON values."""
    types = [each for each in Partition if each is not Partition.OUTPUT] if kind is Kind.DEPTHWISE else list(Partition)
    return {partition.numeral: asdict(of(kind, partition)) for partition in types}


def of(kind: Kind, partition: Partition) -> Placements:
    """Return the placements of a layer's tensors. A depthwise convolution has one channel dimension."""
    if partition is Partition.BATCH:
        return _BATCH
    if kind is Kind.DEPTHWISE:
        return _CHANNEL
    if kind is Kind.EMBEDDING:
        # its weight is (words, width), and its input are words, which every process has
        return Placements(
            "Shard(0)" if partition is Partition.INPUT else "Shard(1)", "Replicate()", _OUTPUTS[partition]
        )
    if kind is Kind.JOIN:
        return _CHANNEL if partition is Partition.INPUT else Placements("Replicate()", "Replicate()", "Replicate()")
    if partition is Partition.INPUT:
        return Placements("Shard(1)", "Shard(1)", "Partial()")
    return Placements("Shard(0)", "Replicate()", "Shard(1)")

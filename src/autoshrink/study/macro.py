"""NAS-Bench-Macro's networks: what each of them costs on a small device, counted from their definition.

X. Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021, and the definition published
with it: a 3 x 3 stem of 32 channels, stages of two, three and three layers whose first halves the resolution and
doubles the channels, a 1 x 1 convolution to 1,280 channels, an average pool, a classifier of ten classes; images of
32 x 32. Every network is a chain, so there is only one order to execute it in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCKS = ("identity", "mb3_k3", "mb6_k5")
"""The choices of a layer, as the digits 0, 1 and 2 name them."""
LAYERS = 8
_SHAPE = {"mb3_k3": (3, 3), "mb6_k5": (6, 5)}
"""Expansion and kernel."""
_FIRST_OF_STAGE = (0, 2, 5)
_STEM, _HEAD, _CLASSES, _SIDE = 32, 1280, 10, 32


@dataclass(frozen=True)
class _Operator:
    """Elements read, written, and held meanwhile for a later operator; weights; biases, one per channel written."""

    reads: int
    writes: int
    waiting: int = 0
    weights: int = 0
    biases: int = 0
    macs: int = 0


def costs(blocks: Sequence[str]) -> dict[str, float]:
    """Return the costs of the network of these eight blocks: ``macs``, ``parameters`` (batch norm's included, as the
    benchmark's file counts them), and at 8 bits ``memory_bytes``, ``arena_bytes``, ``flash_bytes`` and
    ``intensity``."""
    operators = list(_network(blocks))
    macs, weights = sum(item.macs for item in operators), sum(item.weights for item in operators)
    biases = sum(item.biases for item in operators)
    flash = weights + 4 * biases
    moved = sum(item.reads + item.writes for item in operators) + flash
    return {
        "macs": float(macs),
        # a batch norm has two numbers per channel, the classifier one
        "parameters": float(weights + 2 * (biases - _CLASSES) + _CLASSES),
        "memory_bytes": float(max(item.reads + item.writes for item in operators)),
        "arena_bytes": float(max(item.reads + item.writes + item.waiting for item in operators)),
        "flash_bytes": float(flash),
        "intensity": 2.0 * macs / moved,
    }


def _network(blocks: Sequence[str]) -> Iterator[_Operator]:
    yield _convolution(3, _STEM, _SIDE, kernel=3)
    channels, side = _STEM, _SIDE
    for layer, block in enumerate(blocks):
        first = layer in _FIRST_OF_STAGE
        yield from _block(block, channels, channels * 2 if first else channels, side, 2 if first else 1)
        channels, side = (channels * 2, side // 2) if first else (channels, side)
    yield _convolution(channels, _HEAD, side)
    yield _Operator(_HEAD * side**2, _HEAD)
    yield _Operator(_HEAD, _CLASSES, weights=_HEAD * _CLASSES, biases=_CLASSES, macs=_HEAD * _CLASSES)


def _block(block: str, channels: int, out: int, side: int, stride: int) -> Iterator[_Operator]:
    if block == "identity":
        if stride > 1:
            yield _convolution(channels, out, side, stride=stride)
        return
    expansion, kernel = _SHAPE[block]
    hidden, after = expansion * channels, side // stride
    waiting = channels * side**2 if stride == 1 else 0
    yield _convolution(channels, hidden, side)
    yield _convolution(hidden, hidden, side, kernel, stride, groups=hidden, waiting=waiting)
    yield _convolution(hidden, out, after, waiting=waiting)
    if waiting:
        yield _Operator(2 * waiting, waiting)


def _convolution(
    channels: int, out: int, side: int, kernel: int = 1, stride: int = 1, groups: int = 1, waiting: int = 0
) -> _Operator:
    weights, after = channels // groups * out * kernel**2, side // stride
    return _Operator(channels * side**2, out * after**2, waiting, weights, out, weights * after**2)

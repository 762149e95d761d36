"""AccPar's nine networks as its evaluation counts them, and what is known of its results.

The conventions are those of the public program (github.com/linghaosong/AccPar): batches of 512; a layer's output is as
large as what the next layer reads, after pooling (AlexNet: as its first two layers are declared there); the error of
the images is counted. Residual networks have their true channels, and no shortcuts.
"""

from collections.abc import Sequence

from autoshrink.planner.array import Accelerator, Array, uniform
from autoshrink.planner.layers import Kind, Layer, Network, chain

BATCH = 512
# means over data parallelism, of nine networks, in the paper's abstract
PUBLISHED = {"owt": 2.98, "hypar": 3.78, "accpar": 6.30}
# the same by communicated elements, 8 levels and equal shares, as this planner counts them
REPRODUCED = {"owt": 2.98, "hypar": 3.78, "accpar": 4.25}

Convolution = tuple[int, int, int]
"""Side of the kernel, output channels, side of the output map."""


def _convolutional(
    name: str, channels: int, side: int, convolutions: Sequence[Convolution], dense: Sequence[int], pooled: int | None
) -> Network:
    """Return a chain of convolutions and dense layers; ``pooled`` is the side of the map that the dense layers read."""
    layers = []
    for index, (kernel, width, output) in enumerate(convolutions, 1):
        layers.append(Layer(f"conv{index}", Kind.CONVOLUTION, channels, width, kernel**2, side**2, output**2, ()))
        channels, side = width, output
    features = channels * (side if pooled is None else pooled) ** 2
    for index, width in enumerate(dense, 1):
        layers.append(Layer(f"dense{index}", Kind.DENSE, features, width, 1, 1, 1, ()))
        features = width
    return chain(name, BATCH, layers)


def _vgg(name: str, blocks: Sequence[int]) -> Network:
    convolutions = []
    side = 224
    for width, depth in zip((64, 128, 256, 512, 512), blocks, strict=True):
        convolutions += [(3, width, side)] * (depth - 1) + [(3, width, side // 2)]
        side //= 2
    return _convolutional(name, 3, 224, convolutions, (4096, 4096, 1000), None)


def _resnet(name: str, blocks: Sequence[int], bottleneck: bool) -> Network:
    convolutions = [(7, 64, 56)]
    side = 56
    for stage, depth in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(depth):
            before = side
            side = side // 2 if stage and not block else side
            if bottleneck:  # the 3 x 3 convolution has the stride
                convolutions += [(1, width, before), (3, width, side), (1, 4 * width, side)]
            else:
                convolutions += [(3, width, side), (3, width, side)]
    return _convolutional(name, 3, 224, convolutions, (1000,), 1)


def networks() -> tuple[Network, ...]:
    """Return the nine networks."""
    return (
        _convolutional("LeNet", 1, 28, [(5, 20, 12), (5, 50, 4)], (500, 10), None),
        _convolutional(
            "AlexNet",
            3,
            227,
            [(11, 96, 55), (5, 256, 27), (3, 384, 13), (3, 384, 13), (3, 256, 6)],
            (4096, 4096, 1000),
            None,
        ),
        _vgg("VGG-11", (1, 1, 2, 2, 2)),
        _vgg("VGG-13", (2, 2, 2, 2, 2)),
        _vgg("VGG-16", (2, 2, 3, 3, 3)),
        _vgg("VGG-19", (2, 2, 4, 4, 4)),
        _resnet("ResNet-18", (2, 2, 2, 2), bottleneck=False),
        _resnet("ResNet-34", (3, 4, 6, 3), bottleneck=False),
        _resnet("ResNet-50", (3, 4, 6, 3), bottleneck=True),
    )


def counting_array(levels: int) -> Array:
    """Return the array whose step takes a microsecond for each element communicated: no work, one link a split."""
    free = Accelerator("counter", float("inf"), float("inf"), 1e6)
    return Array("communicated elements", uniform(free, 2**levels, links=1), bytes_per_number=1)

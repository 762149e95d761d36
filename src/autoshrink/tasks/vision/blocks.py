"""Blocks of torchvision's architectures in the place of a cell, for comparison.

Shapes: B batch, C channels, H height, W width.
"""

from collections.abc import Callable

from torch import nn

from autoshrink.cells.body import KnownBlock
from autoshrink.errors import UserError, meant
from autoshrink.params.vision import REFERENCE_BLOCKS, ImageNetwork
from autoshrink.tasks.vision.operators import ConvNorm

# torchvision is imported where a block is made: the import takes seconds, and no search needs it

_STRIDES = (1, 2)
"""Strides that these blocks are defined for; a greater one is a max-pool before a block of stride 1."""


def block(body: KnownBlock, in_channels: int, out_channels: int, stride: int, network: ImageNetwork) -> nn.Module:
    """Return the block: (B, ``in_channels``, H, W) to (B, ``out_channels``, ceil(H / stride), ceil(W / stride)).

    Batch norm is the network's; activations are the architecture's own. Raises UserError where there is no block of
    that name.
    """
    if body.name not in _MAKERS:
        raise UserError(
            f"block {body.name!r}: is none of an image network; accepted: {', '.join(_MAKERS)}"
            f"{meant(body.name, _MAKERS)}"
        )
    own = stride if stride in _STRIDES else 1
    made = _MAKERS[body.name](in_channels, out_channels, own, network)
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps, layer.momentum = network.batch_norm_epsilon, 1 - network.batch_norm_momentum
    return made if own == stride else nn.Sequential(nn.MaxPool2d(stride, ceil_mode=True), made)


def divisor(body: KnownBlock) -> int:
    """Return what the block's widths must be multiples of."""
    return 2 if body.name == "shufflenet_v2" else 1


def _depthwise_separable(inputs: int, outputs: int, stride: int, network: ImageNetwork) -> nn.Module:
    """MobileNetV1 (Howard et al. 2017)."""
    from torchvision.ops.misc import Conv2dNormActivation

    return nn.Sequential(
        Conv2dNormActivation(inputs, inputs, 3, stride, groups=inputs),
        Conv2dNormActivation(inputs, outputs, 1),
    )


def _inverted_residual(expansion: int) -> Callable[[int, int, int, ImageNetwork], nn.Module]:
    """MobileNetV2 (Sandler et al. 2018)."""

    def make(inputs: int, outputs: int, stride: int, network: ImageNetwork) -> nn.Module:
        from torchvision.models.mobilenetv2 import InvertedResidual

        made: nn.Module = InvertedResidual(inputs, outputs, stride, expansion)
        return made

    return make


def _residual(inputs: int, outputs: int, stride: int, network: ImageNetwork) -> nn.Module:
    """ResNet's basic block (He et al. 2016)."""
    from torchvision.models.resnet import BasicBlock

    differs = stride > 1 or inputs != outputs
    # torchvision's own projection is a strided 1 x 1 convolution, which ConvNorm says why to avoid
    shortcut = ConvNorm(inputs, outputs, network, stride=stride, linear=True) if differs else None
    made: nn.Module = BasicBlock(inputs, outputs, stride, shortcut)
    return made


def _shuffle_unit(inputs: int, outputs: int, stride: int, network: ImageNetwork) -> nn.Module:
    """ShuffleNetV2 (Ma et al. 2018)."""
    from torchvision.models.shufflenetv2 import InvertedResidual

    if stride == 1 and inputs != outputs:  # a unit of stride 1 keeps its width
        return nn.Sequential(ConvNorm(inputs, outputs, network), InvertedResidual(outputs, outputs, 1))
    made: nn.Module = InvertedResidual(inputs, outputs, stride)
    return made


_MAKERS: dict[str, Callable[[int, int, int, ImageNetwork], nn.Module]] = {
    "mobilenet_v1": _depthwise_separable,
    "mobilenet_v2": _inverted_residual(6),
    "mobilenet_v2_x4": _inverted_residual(4),
    "resnet": _residual,
    "shufflenet_v2": _shuffle_unit,
}
assert tuple(_MAKERS) == REFERENCE_BLOCKS

"""The operators that a CNN cell's nodes carry, as modules (paper, section 4.1).

Shapes: B batch, C channels, H height, W width. A convolution has no bias: batch norm follows it.
"""

from collections.abc import Callable
from functools import partial

from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from autoshrink.params.vision import ImageNetwork


def activation(network: ImageNetwork) -> nn.Module:
    """Return the network's activation; it works in place, on batch norm's output, which nothing else needs."""
    return nn.ReLU(inplace=True) if network.activation == "relu" else nn.SiLU(inplace=True)


class ConvNorm(nn.Module):
    """Convolution (no bias, padded to keep ceil(H / stride)), batch norm, and the activation unless ``linear``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        network: ImageNetwork,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
        same: bool = False,
    ) -> None:
        """``same`` pads as TensorFlow does: at a stride, to the right and below rather than all around."""
        super().__init__()
        # A strided 1 x 1 convolution reads every stride-th pixel: taken beforehand, because torch's own (2.14 and 2.15,
        # oneDNN, channels_last, widths that are no multiple of 8) corrupts the heap in its backward pass on a CPU.
        self.subsample = stride if kernel == 1 else 1
        make = Conv2dSame if same else nn.Conv2d
        padding = 0 if same else kernel // 2
        self.conv = make(
            in_channels, out_channels, kernel, stride // self.subsample, padding=padding, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(
            out_channels,
            eps=network.batch_norm_epsilon,
            momentum=1 - network.batch_norm_momentum,  # PyTorch's momentum is what a step adds
        )
        self.activation = nn.Identity() if linear else activation(network)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, ceil(H / stride), ceil(W / stride))."""
        if self.subsample > 1:
            x_BCHW = x_BCHW[:, :, :: self.subsample, :: self.subsample]
        y_BCHW: Tensor = self.activation(self.norm(self.conv(x_BCHW)))
        return y_BCHW


class SeparableConv(nn.Module):
    """Depthwise 3 x 3 - batch norm - activation - pointwise - batch norm - activation unless ``linear``."""

    def __init__(self, in_channels: int, out_channels: int, network: ImageNetwork, *, linear: bool) -> None:
        super().__init__()
        self.depthwise = ConvNorm(in_channels, in_channels, network, kernel=3, groups=in_channels)
        self.pointwise = ConvNorm(in_channels, out_channels, network, linear=linear)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W)."""
        y_BCHW: Tensor = self.pointwise(self.depthwise(x_BCHW))
        return y_BCHW


OPERATORS: dict[str, Callable[..., nn.Module]] = {
    "separable_conv_3x3": SeparableConv,
    "conv_1x1": ConvNorm,
    "conv_3x3": partial(ConvNorm, kernel=3),
}
"""The operators by the name that ``params.search.ImageOperator`` accepts."""


def operator(name: str, in_channels: int, out_channels: int, network: ImageNetwork, *, linear: bool) -> nn.Module:
    """Return the module of the operator called ``name``, which maps (B, in, H, W) to (B, out, H, W)."""
    return OPERATORS[name](in_channels, out_channels, network, linear=linear)

"""The operators that a CNN cell's nodes carry, as modules (paper, section 4.1).

Shapes: B batch, C channels, H height, W width. A convolution has no bias: batch norm follows it.
"""

from collections.abc import Callable
from functools import partial

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from autoshrink.errors import UserError
from autoshrink.params.search import OPERATORS as GROUP
from autoshrink.params.search import offered_operators
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


def excitation(channels: int, network: ImageNetwork) -> nn.Module:
    """Return the network's squeeze-and-excitation of so many channels, torchvision's; an identity where it has none."""
    if not network.squeeze_excitation:
        return nn.Identity()
    from torchvision.ops import SqueezeExcitation  # the import takes seconds

    made: nn.Module = SqueezeExcitation(channels, max(round(channels * network.squeeze_excitation), 1))
    return made


class SeparableConv(nn.Module):
    """Depthwise k x k - batch norm - activation - pointwise - batch norm - activation unless ``linear``."""

    def __init__(
        self, in_channels: int, out_channels: int, network: ImageNetwork, *, linear: bool, kernel: int = 3
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(in_channels, in_channels, network, kernel=kernel, groups=in_channels)
        self.excitation = excitation(in_channels, network)
        self.pointwise = ConvNorm(in_channels, out_channels, network, linear=linear)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W)."""
        y_BCHW: Tensor = self.pointwise(self.excitation(self.depthwise(x_BCHW)))
        return y_BCHW


class InvertedResidual(nn.Module):
    """MobileNetV2's block (Sandler et al. 2018), after torchvision's: 1 x 1 to ``network.expansion`` times the channels
    - depthwise 3 x 3 - linear 1 x 1, and the input is added where the channels agree. It ends linear, leaf or not."""

    def __init__(self, in_channels: int, out_channels: int, network: ImageNetwork, *, linear: bool) -> None:
        super().__init__()
        del linear
        inner = in_channels * network.expansion
        self.expand = ConvNorm(in_channels, inner, network) if network.expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, network, kernel=3, groups=inner)
        self.excitation = excitation(inner, network)
        self.project = ConvNorm(inner, out_channels, network, linear=True)
        self.adds = in_channels == out_channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W)."""
        y_BCHW: Tensor = self.project(self.excitation(self.depthwise(self.expand(x_BCHW))))
        return x_BCHW + y_BCHW if self.adds else y_BCHW


class PassOn(nn.Module):
    """``inner`` (a 3 x 3 pool of stride 1, or nothing), and where the channels differ a linear 1 x 1 convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        network: ImageNetwork,
        *,
        linear: bool,
        inner: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        del linear
        self.inner = inner()
        differ = in_channels != out_channels
        self.project = ConvNorm(in_channels, out_channels, network, linear=True) if differ else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H, W)."""
        y_BCHW: Tensor = self.project(self.inner(x_BCHW))
        return y_BCHW


OPERATORS: dict[str, Callable[..., nn.Module]] = {
    "separable_conv_3x3": SeparableConv,
    "separable_conv_5x5": partial(SeparableConv, kernel=5),
    "conv_1x1": ConvNorm,
    "conv_3x3": partial(ConvNorm, kernel=3),
    "inverted_residual": InvertedResidual,
    "max_pool_3x3": partial(PassOn, inner=partial(nn.MaxPool2d, 3, stride=1, padding=1)),
    # a pool's border is the mean of what lies inside the image
    "avg_pool_3x3": partial(PassOn, inner=partial(nn.AvgPool2d, 3, stride=1, padding=1, count_include_pad=False)),
    "skip_connect": PassOn,
}
"""The operators by the name that ``params.search.ImageOperator`` accepts."""
_PROBE = (2, 7, 5)
"""Batch, height and width that an operator of another package is tried at."""


def operator(name: str, in_channels: int, out_channels: int, network: ImageNetwork, *, linear: bool) -> nn.Module:
    """Return the module of the operator called ``name``, which maps (B, in, H, W) to (B, out, H, W).

    Raises UserError where there is none of that name, or another package's is no such module.
    """
    if name in OPERATORS:
        return OPERATORS[name](in_channels, out_channels, network, linear=linear)
    entry = offered_operators().get(name)
    if entry is None:
        accepted = ", ".join([*OPERATORS, *offered_operators()])
        raise UserError(
            f"the cell's operator {name!r} is none of an image cell, nor offered under the entry point group "
            f"{GROUP}; accepted: {accepted}"
        )
    whose = f"operator {name!r} ({entry.value})"
    try:
        make = entry.load()
        with torch.device("meta"):
            probe = make(in_channels, out_channels, network, linear=linear)
            shape = tuple(probe(torch.zeros(_PROBE[0], in_channels, *_PROBE[1:])).shape)
        made = make(in_channels, out_channels, network, linear=linear)
    except Exception as error:  # whatever another package's code raises
        why = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{whose}: {type(error).__name__}: {why[:200]}") from None
    if not isinstance(made, nn.Module):
        raise UserError(f"{whose}: makes a {type(made).__name__}; expected a torch.nn.Module")
    wanted = (_PROBE[0], out_channels, *_PROBE[1:])
    if shape != wanted:
        raise UserError(
            f"{whose}: turns {(_PROBE[0], in_channels, *_PROBE[1:])} into {shape}; expected {wanted}: an operator "
            "keeps height and width, and returns as many channels as it is asked for"
        )
    return made

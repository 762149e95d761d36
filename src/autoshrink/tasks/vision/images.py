"""Normalise stored images for a network.

Shapes: B batch, N images, C channels, H height, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoshrink.runtime import devices


class Normalise(nn.Module):
    """Bytes (B, H, W, C) to normalised floats (B, C, H, W), laid out as the device's convolutions are.

    ``mean`` and ``deviation`` are per channel, of pixels in [0, 1].
    """

    scale_C: Tensor
    shift_C: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        mean_C, deviation_C = torch.tensor(mean), torch.tensor(deviation)
        self.register_buffer("scale_C", 1 / (255 * deviation_C), persistent=False)
        self.register_buffer("shift_C", -mean_C / deviation_C, persistent=False)

    def forward(self, images_BHWC: Tensor) -> Tensor:
        """Return (images / 255 - mean) / deviation as (B, C, H, W)."""
        x_BHWC = images_BHWC.to(self.scale_C.dtype) * self.scale_C + self.shift_C
        x_BCHW = x_BHWC.permute(0, 3, 1, 2)
        last = devices.image_layout(x_BCHW.device) == torch.channels_last
        return x_BCHW if last else x_BCHW.contiguous()

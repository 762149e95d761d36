"""Count torchvision's mobile architectures with the counter used for found cells."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torchvision import models

from autoshrink.costs.counting import measure
from autoshrink.params.base import Task
from autoshrink.records.known_networks import CountedNetwork

IMAGE_SIDE = 224
"""ImageNet's usual evaluation size, pixels; all networks here take 3 channels and have 1,000 classes."""


@dataclass(frozen=True)
class _Architecture:
    name: str
    make: Callable[[], nn.Module]
    weights: models.WeightsEnum | None


COUNTED_NOTE = "parameters and MACs counted here, quality as published"

_ARCHITECTURES = (
    _Architecture("MobileNetV2 1.0", models.mobilenet_v2, models.MobileNet_V2_Weights.IMAGENET1K_V1),
    _Architecture("MobileNetV2 1.4", lambda: models.mobilenet_v2(width_mult=1.4), None),
    _Architecture("MobileNetV3 small", models.mobilenet_v3_small, models.MobileNet_V3_Small_Weights.IMAGENET1K_V1),
    _Architecture("MobileNetV3 large", models.mobilenet_v3_large, models.MobileNet_V3_Large_Weights.IMAGENET1K_V1),
    _Architecture("ShuffleNetV2 1.5x", models.shufflenet_v2_x1_5, models.ShuffleNet_V2_X1_5_Weights.IMAGENET1K_V1),
    _Architecture("MnasNet 1.0", models.mnasnet1_0, models.MNASNet1_0_Weights.IMAGENET1K_V1),
    _Architecture("EfficientNet-B0", models.efficientnet_b0, models.EfficientNet_B0_Weights.IMAGENET1K_V1),
)


def counted() -> tuple[CountedNetwork, ...]:
    """Return every architecture with its parameters and MACs at 224 x 224 (``counting.measure``'s meaning).

    The accuracy is what torchvision publishes for its own weights; where it has none, there is none.
    """
    return tuple(_count(architecture) for architecture in _ARCHITECTURES)


def _count(architecture: _Architecture) -> CountedNetwork:
    with torch.device("meta"):  # shapes are enough, and nothing is drawn
        module = architecture.make()
    counts = measure(module, [torch.zeros(1, 3, IMAGE_SIDE, IMAGE_SIDE)])
    quality = {}
    if architecture.weights is not None:
        quality["accuracy_top1"] = round(architecture.weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, 5)
    return CountedNetwork(
        task=Task.CNN,
        name=architecture.name,
        source="counted here on torchvision's implementation",
        dataset="ImageNet",
        quality=quality,
        **counts,
        note=COUNTED_NOTE,
    )

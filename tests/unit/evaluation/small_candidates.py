"""Small candidates of both tasks, on made-up data."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from autoshrink.cells.cell import Cell
from autoshrink.params.language import BackpropagationThroughTime, LanguageNetwork, LanguageProxy, LanguageProxyTraining
from autoshrink.params.vision import ImageEarlyStop, ImageNetwork, ImageProxy, ImageProxyTraining
from autoshrink.tasks.language import proxy as language
from autoshrink.tasks.vision import proxy as vision
from tests.device import DEVICE

Make = Callable[[], Any]


def image_candidates(ceiling: float = 0.98, dropout: float = 0.0) -> list[Make]:
    """Return what makes three small image candidates; with a low ceiling every epoch ends early."""
    generator = torch.Generator().manual_seed(1)
    images, labels = [], []
    for count in (24, 12):
        images.append(torch.randint(0, 256, (count, 8, 8, 1), generator=generator, dtype=torch.uint8))
        labels.append(torch.arange(count) % 2)
    data = vision.ProxyData(images[0], labels[0], images[1], labels[1], (0.5,), (0.3,), 2).to(DEVICE)
    settings = ImageProxy(
        network=ImageNetwork(
            stem_filters=4, base_filters=4, stage_scales=[1.0], stage_cells=[1], stage_pools=[2], dropout=dropout
        ),
        training=ImageProxyTraining(epochs=3, batch_size=4),
        early_stop=ImageEarlyStop(train_accuracy_ceiling=ceiling, floor_accuracy=0.0, loss_ratio=100.0),
    )
    cells = [
        Cell.complete(operators).canonical()
        for operators in (["conv_1x1"], ["separable_conv_3x3"], ["separable_conv_3x3", "conv_1x1"])
    ]
    return [partial(vision.ImageTrial, cell, settings, data, seed, DEVICE, True) for seed, cell in enumerate(cells)]


def text_candidates() -> list[Make]:
    """Return what makes two small language candidates whose sequences have several lengths."""
    tokens = np.arange(300, dtype=np.int32) * 7 % 11
    data = language.ProxyData(tuple("abcdefghijk"), tokens, tokens[:60])
    settings = LanguageProxy(
        network=LanguageNetwork(embedding=6, hidden=6),
        training=LanguageProxyTraining(
            epochs=3, batch_size=4, bptt=BackpropagationThroughTime(length=12, half_probability=0.4, shortest=2)
        ),
    )
    cells = [Cell.complete(operators).canonical() for operators in (["tanh", "relu"], ["identity", "sigmoid", "tanh"])]
    return [
        partial(language.LanguageTrial, cell, settings, data, seed, DEVICE, True) for seed, cell in enumerate(cells)
    ]

"""The final test: the one reader of a data set's test split."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoshrink.errors import DataError
from autoshrink.params.root import Compute
from autoshrink.runtime import devices
from autoshrink.tasks.spec import Tested
from autoshrink.tasks.vision import loading, scoring, splits
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.feeds import Feed
from autoshrink.tasks.vision.inspection import Inspection
from autoshrink.tasks.vision.records import ImageModel


def test(folder: Path, data: PreparedImages, compute: Compute) -> Tested:
    """Return ``accuracy_top1``, ``accuracy_top5`` and ``loss`` (nats) of the model in ``folder`` on the test split.

    The predictions have accuracy by class, confusions and sample images.

    Raises DataError where the model was trained for other classes.
    """
    device = devices.pick(compute)
    description, module, feed = _opened(folder, data, compute, device)
    autocast = torch.autocast(device.type, enabled=False)
    inspection = Inspection(description, feed.count)
    offset = int(description.network.background_class)
    metrics = scoring.score(module, feed.evaluation_batches(), offset, autocast, inspection)
    return Tested(metrics, inspection.predictions())


def outcomes(folder: Path, data: PreparedImages, compute: Compute) -> NDArray[np.float32]:
    """Return 1 for each test image that the model in ``folder`` classifies right, 0 for each other, in their order.

    Raises DataError where the model was trained for other classes.
    """
    device = devices.pick(compute)
    description, module, feed = _opened(folder, data, compute, device)
    first = int(description.network.background_class)
    right: list[NDArray[np.float32]] = []

    def watch(_: Tensor, labels_B: Tensor, logits_BN: Tensor) -> None:
        right.append((logits_BN.argmax(1) == labels_B + first).float().cpu().numpy())

    scoring.score(module, feed.evaluation_batches(), first, torch.autocast(device.type, enabled=False), watch)
    return np.concatenate(right)


def _opened(
    folder: Path, data: PreparedImages, compute: Compute, device: torch.device
) -> tuple[ImageModel, nn.Module, Feed]:
    """Return the model and the test split as it takes it. Raises DataError where it knows other classes."""
    description = ImageModel.of(folder)
    if description.classes != data.classes:
        raise DataError(
            f"{folder}: the model knows {len(description.classes)} classes that are not data set {data.name!r}'s "
            f"{len(data.classes)}; test it on the data set it was trained on ({description.origin.dataset!r})"
        )
    module = loading.load_model(folder).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return description, module, splits.test_feed(data, description, compute.threads, device)

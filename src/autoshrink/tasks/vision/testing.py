"""The final test: the one reader of a data set's test split."""

from pathlib import Path

import torch

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.errors import DataError
from autoshrink.params.root import Compute
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import devices
from autoshrink.tasks.spec import Tested
from autoshrink.tasks.vision import loading, network, scoring, splits
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.inspection import Inspection
from autoshrink.tasks.vision.records import ImageModel


def test(folder: Path, data: PreparedImages, compute: Compute) -> Tested:
    """Return ``accuracy_top1``, ``accuracy_top5`` and ``loss`` (nats) of the model in ``folder`` on the test split.

    The details have accuracy by class, confusions and sample predictions.

    Raises DataError where the model was trained for other classes.
    """
    device = devices.pick(compute)
    description = ImageModel.of(folder)
    if description.classes != data.classes:
        raise DataError(
            f"{folder}: the model knows {len(description.classes)} classes that are not data set {data.name!r}'s "
            f"{len(data.classes)}; test it on the data set it was trained on ({description.origin.dataset!r})"
        )
    module = loading.load_model(folder).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    feed = splits.test_feed(data, description, compute.threads, device)
    autocast = torch.autocast(device.type, enabled=False)
    inspection = Inspection(description, feed.count)
    offset = int(description.network.background_class)
    metrics = scoring.score(module, feed.evaluation_batches(), offset, autocast, inspection)
    return Tested(metrics, inspection.details())


def costs(cell: Cell, recipe: ImageTraining, data: PreparedImages) -> dict[str, int]:
    """Return the parameters and MACs per image of the network that ``recipe`` builds from ``cell`` for this data."""
    module = network.skeleton(cell, recipe.network, data.channels, len(data.classes))
    return counting.measure(module, [torch.zeros(1, data.channels, *splits.image_size(data, recipe))])

"""Sample real inputs from a model's training data, to check its export with.

Shapes: B batch, C channels, H height, W width, T time steps, L length of a column, N hidden width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from autoshrink.errors import DataError
from autoshrink.export.formats import Inputs
from autoshrink.files import artifacts
from autoshrink.inference.images import read as read_image
from autoshrink.inference.models import Trained
from autoshrink.params.base import Task
from autoshrink.tasks.language import data as texts
from autoshrink.tasks.language import loading, sequences
from autoshrink.tasks.vision import data as images
from autoshrink.tasks.vision import loading as image_loading

IMAGES, WORDS, COLUMNS = 16, 35, 4

Item = TypeVar("Item")


def read(trained: Trained, folder: Path) -> list[Inputs]:
    """Return inputs of several batch sizes out of the prepared data set in ``folder``, never of its test split.

    Raises DataError where ``folder`` holds another data set than the model's, ArtifactError where it is damaged.
    """
    wanted = trained.description["origin"]["dataset_digest"]
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise DataError(
            f"{folder}: holds no prepared data set; prepare it (autoshrink prepare {trained.dataset}), "
            "or say with --data where it is"
        )
    if artifacts.digest_of_file(manifest) != wanted:
        raise DataError(
            f"{folder}: is not the data that the model was trained on (its manifest's sha256 differs); say with --data "
            f"where {trained.dataset!r} is"
        )
    if trained.task is Task.CNN:
        pixels_BCHW = _pixels(trained, folder)
        return [(pixels_BCHW,), (pixels_BCHW[:1],), (pixels_BCHW[: IMAGES // 2],)]
    return _sequences(trained, folder)


def _pixels(trained: Trained, folder: Path) -> Tensor:
    """Return training images, picked from all classes, as pixels in [0, 1]."""
    data = images.load(folder)
    if data.storage == "files":
        root = Path(str(data.manifest.settings["folder"]))
        description = image_loading.read_description(trained.folder)
        files = data.listing("train")
        chosen_BHWC = torch.stack([read_image(root / file.path, description) for file in _spread(files)])
    else:
        chosen_BHWC = torch.from_numpy(np.stack(_spread(list(data.split("train").images_NHWC))))
    return chosen_BHWC.permute(0, 3, 1, 2) / 255.0


def _spread(items: Sequence[Item]) -> list[Item]:
    """Return ``IMAGES`` items, evenly spread."""
    step = max(1, len(items) // IMAGES)
    return [items[index] for index in range(0, len(items), step)][:IMAGES]


def _sequences(trained: Trained, folder: Path) -> list[Inputs]:
    """Return sequences of validation text, each with the state that the text before it left."""
    tokens = texts.load(folder).split("validation")
    model = loading.load_model(trained.folder)
    found: list[Inputs] = []
    for columns, words in ((COLUMNS, WORDS), (1, 1), (2, WORDS // 2)):
        text_LB = sequences.columns(tokens[: 2 * WORDS * columns], columns, torch.device("cpu"), str(folder))
        before_TB, tokens_TB = text_LB[:-words], text_LB[-words:]
        state_BN = model.initial_state(columns)
        if len(before_TB):
            with torch.no_grad():
                state_BN = model.run(before_TB, state_BN)[1].contiguous()
        found.append((tokens_TB.contiguous(), state_BN))
    return found

"""Real inputs of a model, out of the data set it was trained on: what an exported model is checked with.

Shapes: B batch, C channels, H height, W width, T time steps, L length of a column, N hidden width.
"""

from pathlib import Path

import torch
from torch import Tensor

from autoshrink import artifacts
from autoshrink.errors import DataError
from autoshrink.export.formats import Inputs
from autoshrink.export.runs import Trained
from autoshrink.language import data as texts
from autoshrink.language import loading, sequences
from autoshrink.params.base import Task
from autoshrink.vision import data as images

IMAGES, WORDS, COLUMNS = 16, 35, 4


def read(trained: Trained, folder: Path) -> list[Inputs]:
    """Return inputs of several batch sizes out of the prepared data set in ``folder``, never of its test split.

    Raises DataError where ``folder`` holds another data set than the model's, ArtifactError where it is damaged.
    """
    wanted = trained.description["origin"]["dataset_digest"]
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise DataError(
            f"{folder}: holds no prepared data set; prepare it (autoshrink prepare {trained.dataset} --out {folder}), "
            "or say with --data where it is"
        )
    if artifacts.digest_of_file(manifest) != wanted:
        raise DataError(
            f"{folder}: is not the data that the model was trained on (its manifest's sha256 differs); say with --data "
            f"where {trained.dataset!r} is"
        )
    if trained.task is Task.CNN:
        pixels_BCHW = _pixels(folder)
        return [(pixels_BCHW,), (pixels_BCHW[:1],), (pixels_BCHW[: IMAGES // 2],)]
    return _sequences(trained, folder)


def _pixels(folder: Path) -> Tensor:
    """Return training images as pixels in [0, 1]."""
    images_NHWC = images.load(folder).split("train").images_NHWC
    chosen_BHWC = images_NHWC[:: max(1, len(images_NHWC) // IMAGES)][:IMAGES]
    return torch.from_numpy(chosen_BHWC.copy()).permute(0, 3, 1, 2) / 255.0


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
                state_BN = model.outputs(before_TB, state_BN)[-1].contiguous()
        found.append((tokens_TB.contiguous(), state_BN))
    return found

"""A trained model on disk: ``model.safetensors`` (weights) and ``model.json`` (all that is needed to use them)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from autoshrink.cells import body
from autoshrink.cells.body import Body
from autoshrink.cells.cell import CellError
from autoshrink.errors import ArtifactError
from autoshrink.files import models
from autoshrink.params.base import Task
from autoshrink.params.vision import ImageNetwork
from autoshrink.tasks.vision.network import outline


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.json`` says: the architecture and how images are brought to it."""

    cell: Body
    network: ImageNetwork
    channels: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """Subtracted from pixels in [0, 1] ..."""
    deviation: tuple[float, ...]
    """... which are then divided by this."""
    image_size: tuple[int, int]
    """Height and width that the model was trained at, pixels."""
    evaluation_crop: float
    """Central share of an image file that is resized to ``image_size``."""
    origin: dict[str, Any]
    """What it was trained on and how: data set and its digest, seed, recipe."""


def save_model(folder: Path, module: nn.Module, description: ModelDescription) -> None:
    """Write the weights, then the description that vouches for them by digest."""
    models.save(
        folder,
        Task.CNN,
        module.state_dict(),
        {
            "cell": description.cell.to_json(),
            "network": description.network.model_dump(mode="json"),
            "channels": description.channels,
            "classes": list(description.classes),
            "mean": list(description.mean),
            "deviation": list(description.deviation),
            "image_size": list(description.image_size),
            "evaluation_crop": description.evaluation_crop,
            "origin": description.origin,
        },
    )


def read_description(folder: Path) -> ModelDescription:
    """Read ``model.json``. Raises ArtifactError where it is missing, altered or of another task."""
    return _description(folder, models.read(folder, Task.CNN))


def load_model(folder: Path) -> nn.Module:
    """Return the trained network in evaluation mode, on the CPU; it takes normalised images (B, C, H, W).

    Raises ArtifactError where a file is missing, altered, or the weights are not the ones described.
    """
    content = models.read(folder, Task.CNN)
    description = _description(folder, content)
    weights = models.weights(folder, content)
    module = outline(description.cell, description.network, description.channels, len(description.classes))
    try:
        module.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ArtifactError(
            f"{folder / models.WEIGHTS}: does not fit model.json ({' '.join(str(error).split())})"
        ) from None
    return module.eval().requires_grad_(False)


def _description(folder: Path, content: dict[str, Any]) -> ModelDescription:
    try:
        return ModelDescription(
            body.from_json(content["cell"]),
            ImageNetwork.model_validate(content["network"]),
            content["channels"],
            tuple(content["classes"]),
            tuple(content["mean"]),
            tuple(content["deviation"]),
            (content["image_size"][0], content["image_size"][1]),
            content["evaluation_crop"],
            content["origin"],
        )
    except (CellError, ValidationError, LookupError, TypeError) as error:
        raise ArtifactError(f"{folder / 'model.json'}: not a model of ours ({' '.join(str(error).split())})") from None

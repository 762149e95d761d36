"""A trained model on disk: ``model.safetensors`` (weights) and ``model.json`` (all that is needed to use them)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autoshrink.cells import body
from autoshrink.cells.body import Body
from autoshrink.cells.cell import CellError
from autoshrink.errors import ArtifactError
from autoshrink.files import models
from autoshrink.params.base import Task
from autoshrink.params.language import LanguageNetwork
from autoshrink.tasks.language import network
from autoshrink.tasks.language.network import LanguageModel


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.json`` says: the architecture and the words it knows."""

    cell: Body
    network: LanguageNetwork
    words: tuple[str, ...]
    """A token is an index into them."""
    origin: dict[str, Any]
    """What it was trained on and how: data set and its digest, seed, recipe."""


def save_model(folder: Path, module: LanguageModel, description: ModelDescription) -> None:
    """Write the weights (tied ones once), then the description that vouches for them by digest."""
    models.save(
        folder,
        Task.RNN,
        network.parameters(module),
        {
            "cell": description.cell.to_json(),
            "network": description.network.model_dump(mode="json"),
            "words": list(description.words),
            "origin": description.origin,
        },
    )


def read_description(folder: Path) -> ModelDescription:
    """Read ``model.json``. Raises ArtifactError where it is missing, altered or of another task."""
    return _description(folder, models.read(folder, Task.RNN))


def load_model(folder: Path) -> LanguageModel:
    """Return the trained model in evaluation mode, on the CPU; it takes tokens (T, B) and a state (B, S).

    Raises ArtifactError where a file is missing, altered, or the weights are not the ones described.
    """
    content = models.read(folder, Task.RNN)
    description = _description(folder, content)
    weights = models.weights(folder, content)
    module = network.skeleton(description.cell, description.network, len(description.words))
    if module.decoder.bias.is_meta:
        module.to_empty(device="cpu")
    module.tie()
    try:
        network.load_parameters(module, weights)
    except ValueError as error:
        raise ArtifactError(f"{folder / models.WEIGHTS}: does not fit model.json ({error})") from None
    return module.eval().requires_grad_(False)


def _description(folder: Path, content: dict[str, Any]) -> ModelDescription:
    try:
        return ModelDescription(
            body.from_json(content["cell"]),
            LanguageNetwork.model_validate(content["network"]),
            tuple(content["words"]),
            content["origin"],
        )
    except (CellError, ValidationError, LookupError, TypeError) as error:
        raise ArtifactError(f"{folder / 'model.json'}: not a model of ours ({' '.join(str(error).split())})") from None

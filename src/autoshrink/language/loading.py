"""A trained model on disk: ``model.safetensors`` (weights) and ``model.json`` (all that is needed to use them)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from pydantic import ValidationError

from autoshrink import artifacts
from autoshrink.cell import Cell, CellError
from autoshrink.errors import ArtifactError
from autoshrink.language import network
from autoshrink.language.network import LanguageModel
from autoshrink.params.language import LanguageNetwork

KIND, VERSION = "model", 1


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.json`` says: the architecture and the words it knows."""

    cell: Cell
    network: LanguageNetwork
    words: tuple[str, ...]
    """A token is an index into them."""
    origin: dict[str, Any]
    """What it was trained on and how: data set and its digest, seed, recipe."""


def save_model(folder: Path, module: LanguageModel, description: ModelDescription) -> None:
    """Write the weights (tied ones once), then the description that vouches for them by digest."""
    weights = {name: value.to("cpu").contiguous() for name, value in network.parameters(module).items()}
    artifacts.write_bytes(folder / "model.safetensors", safetensors.torch.save(weights))
    artifacts.write_sealed(
        folder / "model.json",
        KIND,
        VERSION,
        {
            "task": "rnn",
            "cell": description.cell.to_json(),
            "network": description.network.model_dump(mode="json"),
            "words": list(description.words),
            "origin": description.origin,
            "weights_sha256": artifacts.digest_of_file(folder / "model.safetensors"),
        },
    )


def read_description(folder: Path) -> ModelDescription:
    """Read ``model.json``. Raises ArtifactError where it is missing, altered or of another task."""
    return _description(folder, _read(folder))


def load_model(folder: Path) -> LanguageModel:
    """Return the trained model in evaluation mode, on the CPU; it takes tokens (T, B) and a state (B, N).

    Raises ArtifactError where a file is missing, altered, or the weights are not the ones described.
    """
    content = _read(folder)
    description = _description(folder, content)
    path = folder / "model.safetensors"
    if not path.exists() or artifacts.digest_of_file(path) != content["weights_sha256"]:
        raise ArtifactError(
            f"{path}: missing or altered (its sha256 is not the one in model.json); train the model again"
        )
    module = network.skeleton(description.cell, description.network, len(description.words))
    module.to_empty(device="cpu")
    module.tie()
    try:
        network.load_parameters(module, safetensors.torch.load_file(path))
    except ValueError as error:
        raise ArtifactError(f"{path}: does not fit model.json ({error})") from None
    return module.eval().requires_grad_(False)


def _read(folder: Path) -> dict[str, Any]:
    content = artifacts.read_sealed(folder / "model.json", KIND, VERSION)
    if content["task"] != "rnn":
        raise ArtifactError(f"{folder / 'model.json'}: expected a language model, found one for {content['task']!r}")
    return content


def _description(folder: Path, content: dict[str, Any]) -> ModelDescription:
    try:
        return ModelDescription(
            Cell.from_json(content["cell"]),
            LanguageNetwork.model_validate(content["network"]),
            tuple(content["words"]),
            content["origin"],
        )
    except (CellError, ValidationError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / 'model.json'}: not a model of ours ({' '.join(str(error).split())})") from None

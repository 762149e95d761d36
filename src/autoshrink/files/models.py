"""A trained model's two files: ``model.safetensors`` (weights), and ``model.json``, which says all that is needed to
use them and vouches for them by digest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts

KIND, VERSION = "model", 1
DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"


def save(folder: Path, task: str, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write the weights, then the description."""
    kept = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    artifacts.write_bytes(folder / WEIGHTS, safetensors.torch.save(kept))
    digest = artifacts.digest_of_file(folder / WEIGHTS)
    content = {"task": str(task), **description, "weights_sha256": digest}
    artifacts.write_sealed(folder / DESCRIPTION, KIND, VERSION, content)


def read(folder: Path, task: str) -> dict[str, Any]:
    """Return what ``model.json`` says. Raises ArtifactError where it is missing, altered or of another task."""
    content = artifacts.read_sealed(folder / DESCRIPTION, KIND, VERSION)
    if content["task"] != task:
        raise ArtifactError(f"{folder / DESCRIPTION}: is a model for {content['task']!r}, not for {str(task)!r}")
    return content


def weights(folder: Path, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights that ``content``, read from ``model.json``, vouches for. Raises ArtifactError for others."""
    path = folder / WEIGHTS
    if not path.exists() or artifacts.digest_of_file(path) != content["weights_sha256"]:
        raise ArtifactError(
            f"{path}: missing or altered (its sha256 is not the one in {DESCRIPTION}); train the model again"
        )
    return safetensors.torch.load_file(path)

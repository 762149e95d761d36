"""A trained model's two files: ``model.safetensors`` (weights), and ``model.json``, which says all that is needed to
use them and vouches for them by digest.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts, foreign

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
    if content.get("task") != task:
        raise ArtifactError(f"{folder / DESCRIPTION}: is a model for {content.get('task')!r}, not for {str(task)!r}")
    return content


def weights(folder: Path, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights that ``content``, read from ``model.json``, vouches for. Raises ArtifactError for others.

    A model of ours has finite float32 weights; counts, such as batch norm's, are integers.
    """
    path = folder / WEIGHTS
    recorded = content.get("weights_sha256")
    if recorded is None:
        raise ArtifactError(f"{folder / DESCRIPTION}: holds no weights_sha256; train the model again")
    try:
        raw = foreign.read(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); train the model again") from None
    if hashlib.sha256(raw).hexdigest() != recorded:
        raise ArtifactError(
            f"{path}: missing or altered (its sha256 is not the one in {DESCRIPTION}); train the model again"
        )
    try:
        found = safetensors.torch.load(raw)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ArtifactError(f"{path}: is no safetensors file ({' '.join(str(error).split())})") from None
    for name, tensor in found.items():
        if tensor.dtype not in (torch.float32, torch.int64):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ArtifactError(f"{path}: {name} is {kind}; a model of AutoShrink's has float32 weights")
        if not bool(tensor.isfinite().all()):
            raise ArtifactError(f"{path}: {name} holds NaN or infinite weights; train the model again")
    return found

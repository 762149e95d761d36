"""Write a trained model's weights and description, and read the weights back."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts, foreign
from autoshrink.records.model import DESCRIPTION, WEIGHTS, ModelDescription


def save(folder: Path, weights: Mapping[str, Tensor], description: ModelDescription) -> None:
    """Write the weights, then the description that vouches for them by digest."""
    kept = {name: tensor.detach().to("cpu").contiguous() for name, tensor in weights.items()}
    artifacts.write_bytes(folder / WEIGHTS, safetensors.torch.save(kept))
    digest = artifacts.digest_of_file(folder / WEIGHTS)
    description.model_copy(update={"weights_sha256": digest}).write(folder / DESCRIPTION)


def weights(folder: Path, description: ModelDescription) -> dict[str, Tensor]:
    """Return the weights that ``description`` vouches for. Raises ArtifactError for others.

    A model of AutoShrink's has finite float32 weights; counts, such as batch norm's, are integers.
    """
    path = folder / WEIGHTS
    recorded = description.weights_sha256
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

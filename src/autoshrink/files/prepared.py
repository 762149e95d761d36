"""A prepared data set's files, each of which the sealed manifest beside them vouches for by its sha256."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import ArtifactError


def content(folder: Path, manifest: Mapping[str, Any], file: str) -> bytes:
    """Return a file's bytes. Raises ArtifactError where it is missing or not the one that was prepared."""
    path = folder / file
    try:
        found = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); remove {folder} to have it prepared again"
        ) from None
    if hashlib.sha256(found).hexdigest() != manifest["files"].get(file):
        raise ArtifactError(
            f"{path}: is not the file that the manifest records (its sha256 differs); "
            f"remove {folder} to have it prepared again"
        )
    return found


def array(folder: Path, manifest: Mapping[str, Any], file: str) -> NDArray[Any]:
    """Return the array that a ``.npy`` file holds. Raises ArtifactError as ``content`` does, and for pickles."""
    try:
        found: NDArray[Any] = np.load(io.BytesIO(content(folder, manifest, file)), allow_pickle=False)
    except ValueError as error:
        raise ArtifactError(f"{folder / file}: is no plain array ({error}); remove it and prepare again") from None
    return found

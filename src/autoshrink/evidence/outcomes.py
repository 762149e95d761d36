"""The file of a network's outcomes: how good it is at each test example, training by training."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import ArtifactError
from autoshrink.files import arrays, artifacts


def read(path: Path) -> NDArray[np.float32]:
    """Return the outcomes (seeds, examples). Raises ArtifactError where the file is missing or holds something else."""
    try:
        with artifacts.opened(path) as file:
            found = arrays.parse(file.read())
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); remove it to regenerate it") from None
    except ValueError as error:
        raise ArtifactError(
            f"{path}: is no plain array ({' '.join(str(error).split())[:200]}); remove it to regenerate it"
        ) from None
    if found.dtype != np.float32 or found.ndim != 2 or not np.isfinite(found).all():
        raise ArtifactError(f"{path}: expected finite numbers, a row per training; remove it to regenerate it")
    result: NDArray[np.float32] = found
    return result

"""A prepared data set's files, each of which the manifest beside them vouches for by its sha256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import ArtifactError
from autoshrink.files import arrays, artifacts
from autoshrink.records.manifest import Manifest
from autoshrink.tasks.address import MANIFEST

Described = TypeVar("Described", bound=Manifest)


@dataclass(frozen=True)
class PreparedData(Generic[Described]):
    """A prepared data set. Its files are read when asked for, so that nothing touches the test split unawares."""

    folder: Path
    manifest: Described
    digest: str
    """sha256 of the manifest, which holds the sha256 of everything else."""

    @classmethod
    def load(cls, folder: Path, manifest: type[Described]) -> Self:
        """Return the data set in ``folder``. Raises ArtifactError where there is none, or one of another task."""
        path = folder / MANIFEST
        return cls(folder, manifest.read(path), artifacts.digest_of_file(path))

    @property
    def name(self) -> str:
        """The data set's name among ``datasets``."""
        return self.manifest.name

    def content(self, file: str) -> bytes:
        """Return a file's bytes. Raises ArtifactError where it is missing or not the one that was prepared."""
        path = self.folder / file
        try:
            found = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{path}: cannot be read ({error.strerror}); remove {self.folder} to prepare it again"
            ) from None
        if hashlib.sha256(found).hexdigest() != self.manifest.files.get(file):
            raise ArtifactError(
                f"{path}: is not the file that the manifest records (its sha256 differs); "
                f"remove {self.folder} to prepare it again"
            )
        return found

    def array(self, file: str) -> NDArray[Any]:
        """Return the array in a ``.npy`` file. Raises ArtifactError as ``content`` does, and where it holds none."""
        content = self.content(file)
        try:
            return arrays.parse(content)
        except ValueError as error:
            raise self._refused(file, f"is no plain array ({' '.join(str(error).split())[:200]})") from None

    def _refused(self, file: str, why: str) -> ArtifactError:
        """Return what is said of a file that is the recorded one, and yet none that a preparation writes."""
        return ArtifactError(f"{self.folder / file}: {why}; remove {self.folder} to prepare it again")


def save(path: Path, array: NDArray[Any]) -> str:
    """Write an array as a ``.npy`` file and return its sha256."""
    with artifacts.replacing(path) as file:
        np.save(file, array, allow_pickle=False)
    return artifacts.digest_of_file(path)

"""Image data sets in prepared form: a folder of plain arrays under a sealed manifest that says what they are.

Shapes: N images, H height, W width, C channels, K classes.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoshrink import artifacts
from autoshrink.errors import ArtifactError, DataError
from autoshrink.params.data import ImageDataset
from autoshrink.vision import sources
from autoshrink.vision.sources import Images, Labels

KIND, VERSION = "dataset", 1
SplitName = Literal["train", "test"]


@dataclass(frozen=True)
class Split:
    """One split in memory: (N, H, W, C) bytes and (N,) labels."""

    images_NHWC: Images
    labels_N: Labels


@dataclass(frozen=True)
class PreparedImages:
    """A prepared data set. Its arrays are read when asked for, so that nothing touches the test split unawares."""

    folder: Path
    manifest: dict[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """The data set's name among ``datasets``."""
        return str(self.manifest["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names; a label is an index into them."""
        return tuple(self.manifest["classes"])

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.manifest["normalisation"]["mean"])

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training split, pixels in [0, 1]."""
        return tuple(self.manifest["normalisation"]["mean"])

    @property
    def deviation(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training split, pixels in [0, 1]."""
        return tuple(self.manifest["normalisation"]["deviation"])

    def split(self, name: SplitName) -> Split:
        """Read one split. Raises ArtifactError where a file is missing or not the one that was prepared."""
        images_NHWC, labels_N = self._array(f"{name}_images.npy"), self._array(f"{name}_labels.npy")
        return Split(images_NHWC, labels_N)

    def _array(self, file: str) -> NDArray[Any]:
        path = self.folder / file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"{path}: cannot be read ({error.strerror}); remove {self.folder} to have it prepared again"
            ) from None
        if hashlib.sha256(content).hexdigest() != self.manifest["files"].get(file):
            raise ArtifactError(
                f"{path}: is not the file that the manifest records (its sha256 differs); "
                f"remove {self.folder} to have it prepared again"
            )
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        return array


def prepare(name: str, entry: ImageDataset, folder: Path, downloads: Path, seed: int) -> None:
    """Bring the data set into prepared form in ``folder``: arrays first, the manifest that vouches for them last.

    Raises DataError, in one line, where the source is missing, damaged or too small.
    """
    raw = sources.read(entry, downloads, seed)
    (folder / "manifest.json").unlink(missing_ok=True)  # until it is written anew, the folder is not whole
    for split, labels_N in (("training", raw.train_labels_N), ("test", raw.test_labels_N)):
        empty = sorted(set(range(len(raw.classes))) - set(labels_N.tolist()))
        if empty:
            raise DataError(
                f"datasets.{name}: class {raw.classes[empty[0]]!r} has no image in the {split} split; "
                "every class needs one"
            )
    arrays: dict[str, NDArray[Any]] = {
        "train_images.npy": raw.train_images_NHWC,
        "train_labels.npy": raw.train_labels_N,
        "test_images.npy": raw.test_images_NHWC,
        "test_labels.npy": raw.test_labels_N,
    }
    digests = {file: _save(folder / file, array) for file, array in arrays.items()}
    chunks = np.array_split(raw.train_images_NHWC, -(-len(raw.train_images_NHWC) // 5000))
    mean, deviation = _normalisation(chunks)
    _, height, width, channels = raw.train_images_NHWC.shape
    write_manifest(
        folder,
        name,
        entry,
        {
            "source_version": raw.version,
            "files": digests,
            "shape": [height, width, channels],
            "classes": list(raw.classes),
            "counts": {"train": len(raw.train_labels_N), "test": len(raw.test_labels_N)},
            "class_balance": {
                "train": class_counts(raw.train_labels_N, len(raw.classes)),
                "test": class_counts(raw.test_labels_N, len(raw.classes)),
            },
            "skipped": list(raw.skipped),
            "normalisation": {"mean": mean, "deviation": deviation},
        },
    )


def write_manifest(folder: Path, name: str, entry: ImageDataset, content: dict[str, Any]) -> None:
    """Write the manifest, whose presence says that the folder is whole."""
    settings = entry.model_dump(mode="json")
    artifacts.write_sealed(
        folder / "manifest.json",
        KIND,
        VERSION,
        {"name": name, "task": "cnn", "source": settings["source"], "settings": settings, **content},
    )


def load(folder: Path) -> PreparedImages:
    """Return the prepared data set of ``folder``. Raises ArtifactError where there is none, or one of text."""
    path = folder / "manifest.json"
    manifest = artifacts.read_sealed(path, KIND, VERSION)
    if manifest["task"] != "cnn":
        raise ArtifactError(f"{path}: expected a data set of images, found one for {manifest['task']!r}")
    return PreparedImages(folder, manifest, artifacts.digest_of_file(path))


def class_counts(labels_N: Labels, classes: int) -> list[int]:
    """Return how many images each class has."""
    return [int(count) for count in np.bincount(labels_N, minlength=classes)]


def _save(path: Path, array: NDArray[Any]) -> str:
    with artifacts.replacing(path) as file:
        np.save(file, array, allow_pickle=False)
    return artifacts.digest_of_file(path)


def _normalisation(batches: Iterable[Images]) -> tuple[list[float], list[float]]:
    """Return mean and deviation per channel in [0, 1] units, from exact integer counts of each grey level."""
    counts_C256: NDArray[np.int64] | int = 0
    for images_NHWC in batches:
        flat_PC = images_NHWC.reshape(-1, images_NHWC.shape[-1])
        counts_C256 = counts_C256 + np.stack([np.bincount(channel, minlength=256) for channel in flat_PC.T])
    assert not isinstance(counts_C256, int)
    levels = np.arange(256) / 255
    total_C = counts_C256.sum(1)
    mean_C = (counts_C256 * levels).sum(1) / total_C
    variance_C = (counts_C256 * (levels - mean_C[:, None]) ** 2).sum(1) / total_C
    deviation_C = np.sqrt(np.maximum(variance_C, 1e-8))  # an all-black channel must not divide by zero
    return mean_C.tolist(), deviation_C.tolist()

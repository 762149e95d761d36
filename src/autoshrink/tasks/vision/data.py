"""Prepare image data sets as arrays with a sealed manifest, and load them.

Shapes: N images, H height, W width, C channels, K classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.data import ImageDataset, ImageFolder
from autoshrink.tasks.address import MANIFEST
from autoshrink.tasks.prepared import PreparedData, save
from autoshrink.tasks.vision import folders, listings, sources
from autoshrink.tasks.vision.listings import ImageFile
from autoshrink.tasks.vision.raw import Images, Labels
from autoshrink.tasks.vision.records import ImageManifest, Normalisation, Skipped
from autoshrink.tasks.vision.records import Split as SplitName


@dataclass(frozen=True)
class Split:
    """One split in memory: (N, H, W, C) bytes and (N,) labels."""

    images_NHWC: Images
    labels_N: Labels


class PreparedImages(PreparedData[ImageManifest]):
    """A prepared data set of images."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names; a label is an index into them."""
        return self.manifest.classes

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.mean)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training split, pixels in [0, 1]."""
        return self.manifest.normalisation.mean

    @property
    def deviation(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the training split, pixels in [0, 1]."""
        return self.manifest.normalisation.deviation

    @property
    def storage(self) -> str:
        """``array``: images are kept as arrays; ``files``: they stay in the user's folder and are only listed."""
        return self.manifest.storage

    def split(self, name: SplitName) -> Split:
        """Read one split's arrays. Raises ArtifactError where a file is missing or not the one that was prepared."""
        assert self.storage == "array"
        images, labels = f"{name}_images.npy", f"{name}_labels.npy"
        found = Split(self.array(images), self.array(labels))
        if found.images_NHWC.dtype != np.uint8 or found.images_NHWC.shape[1:] != self.manifest.shape:
            raise self._refused(images, f"does not hold images of the shape {self.manifest.shape}, of bytes")
        if not _are_labels(found.labels_N, len(found.images_NHWC), len(self.classes)):
            raise self._refused(labels, f"does not hold a label below {len(self.classes)} for each image")
        return found

    def listing(self, name: SplitName) -> list[ImageFile]:
        """Read the list of one split's files. Raises ArtifactError as ``split`` does."""
        assert self.storage == "files"
        file = f"{name}.tsv"
        try:
            columns = [line.split("\t", 2) for line in self.content(file).decode().split("\n")[:-1]]
            found = [ImageFile(path, int(label)) for _, label, path in columns]
        except ValueError:
            raise self._refused(file, "is no list of digests, labels and files") from None
        if not _are_labels(np.array([file.label for file in found], np.int64), len(found), len(self.classes)):
            raise self._refused(file, f"holds a label that is none below {len(self.classes)}")
        return found


def prepare(name: str, entry: ImageDataset, folder: Path, downloads: Path, seed: int) -> None:
    """Bring the data set into prepared form in ``folder``: its files first, the manifest that vouches for them last.

    Raises DataError, in one line, where the source is missing, damaged or too small.
    """
    (folder / MANIFEST).unlink(missing_ok=True)  # while files change, nothing may pass for prepared
    if isinstance(entry, ImageFolder) and entry.storage == "files":
        manifest = _prepare_files(name, entry, folder, seed)
    else:
        manifest = _prepare_arrays(name, entry, folder, downloads, seed)
    for split, counts in manifest.class_balance.items():
        if 0 in counts:
            empty = manifest.classes[counts.index(0)]
            raise DataError(
                f"datasets.{name}: class {empty!r} has no image in the {split} split; every class needs one"
            )
    manifest.write(folder / MANIFEST)


def load(folder: Path) -> PreparedImages:
    """Return the prepared data set of ``folder``. Raises ArtifactError where there is none, or one of text."""
    return PreparedImages.load(folder, ImageManifest)


def _prepare_arrays(name: str, entry: ImageDataset, folder: Path, downloads: Path, seed: int) -> ImageManifest:
    raw = sources.read(entry, downloads, seed)
    arrays: dict[str, NDArray[Any]] = {
        "train_images.npy": raw.train_images_NHWC,
        "train_labels.npy": raw.train_labels_N,
        "test_images.npy": raw.test_images_NHWC,
        "test_labels.npy": raw.test_labels_N,
    }
    chunks = np.array_split(raw.train_images_NHWC, -(-len(raw.train_images_NHWC) // 5000))
    return ImageManifest(
        name=name,
        task=Task.CNN,
        source=entry.source,
        source_version=raw.version,
        settings=entry.model_dump(mode="json"),
        storage="array",
        files={file: save(folder / file, array) for file, array in arrays.items()},
        shape=raw.train_images_NHWC.shape[1:],
        normalisation=_normalisation(chunks),
        classes=raw.classes,
        counts={"train": len(raw.train_labels_N), "test": len(raw.test_labels_N)},
        class_balance={
            "train": _balance(raw.train_labels_N, raw.classes),
            "test": _balance(raw.test_labels_N, raw.classes),
        },
        skipped=Skipped(count=len(raw.skipped), files=raw.skipped),
    )


def _prepare_files(name: str, entry: ImageFolder, folder: Path, seed: int) -> ImageManifest:
    """Decode every file once, and record each by digest, label and path instead of copying it."""
    listing = folders.listing(entry, seed)
    skipped: list[str] = []
    digests: dict[str, str] = {}
    labels: list[Labels] = []
    sampled: list[Images] = []
    parts = listings.contents(entry, listing, listings.sampled, skipped)
    for split, (kept, contents) in zip(("train", "test"), parts, strict=True):
        lines = [f"{content.sha256}\t{file.label}\t{file.path}\n" for file, content in zip(kept, contents, strict=True)]
        artifacts.write_text(folder / f"{split}.tsv", "".join(lines))
        digests[f"{split}.tsv"] = artifacts.digest_of_file(folder / f"{split}.tsv")
        labels.append(np.array([file.label for file in kept], np.int64))
        if split == "train":
            sampled = [content.pixels_HWC[None] for content in contents]
    return ImageManifest(
        name=name,
        task=Task.CNN,
        source=entry.source,
        source_version="the user's own",
        settings=entry.model_dump(mode="json"),
        storage="files",
        files=digests,
        shape=None,
        normalisation=_normalisation(sampled),
        classes=listing.classes,
        counts={"train": len(labels[0]), "test": len(labels[1])},
        class_balance={"train": _balance(labels[0], listing.classes), "test": _balance(labels[1], listing.classes)},
        skipped=Skipped(count=len(skipped), files=tuple(skipped)),
    )


def _are_labels(labels_N: NDArray[Any], count: int, classes: int) -> bool:
    """Return whether these are ``count`` labels of so many classes."""
    if labels_N.shape != (count,) or not np.issubdtype(labels_N.dtype, np.integer):
        return False
    return not count or bool(labels_N.min() >= 0 and labels_N.max() < classes)


def _balance(labels_N: Labels, classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return how many examples each class has."""
    return tuple(int(count) for count in np.bincount(labels_N, minlength=len(classes)))


def _normalisation(batches: Iterable[Images]) -> Normalisation:
    """Return mean and deviation per channel in [0, 1] units, from exact integer counts of each grey level."""
    counts_C256: NDArray[np.int64] = np.zeros((1, 256), np.int64)
    for images_NHWC in batches:
        flat_PC = images_NHWC.reshape(-1, images_NHWC.shape[-1])
        counts_C256 = counts_C256 + np.stack([np.bincount(channel, minlength=256) for channel in flat_PC.T])
    levels = np.arange(256) / 255
    total_C = counts_C256.sum(1)
    mean_C = (counts_C256 * levels).sum(1) / total_C
    variance_C = (counts_C256 * (levels - mean_C[:, None]) ** 2).sum(1) / total_C
    deviation_C = np.sqrt(np.maximum(variance_C, 1e-8))  # an all-black channel must not divide by zero
    return Normalisation(mean=mean_C.tolist(), deviation=deviation_C.tolist())

"""A user's images, listed with their classes and split: decode them, and find damaged or duplicate ones.

How the list is made differs from format to format: ``folders``, ``tables``, ``shards``.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from autoshrink.errors import DataError
from autoshrink.params.data import OwnImages
from autoshrink.runtime import seeds
from autoshrink.tasks.vision.decoding import decode
from autoshrink.tasks.vision.raw import Images, RawImages

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
SAMPLED_SIDE = 32

Made = TypeVar("Made")


@dataclass(frozen=True)
class ImageFile:
    """One image's file, relative to the source's folder, or its place in an archive or table; and its label."""

    path: str
    label: int


@dataclass(frozen=True)
class Listing:
    """A source's images: both splits and the classes' names, in an order that no file system decides.

    ``read`` returns an image's bytes, or raises OSError; ``root`` is what people find the images' paths in.
    """

    train: list[ImageFile]
    test: list[ImageFile]
    classes: tuple[str, ...]
    read: Callable[[ImageFile], bytes]
    root: Path


@dataclass(frozen=True)
class FileContent:
    """What preparing has seen of a file: the digests of its bytes and of its decoded pixels, and pixels (H, W, C) made
    of them.
    """

    sha256: str
    pixels_sha256: str
    pixels_HWC: Images


Labelled = Sequence[tuple[str, str]]
"""Images by their paths, each with its class's name."""


def listed(
    train: Labelled,
    test: Labelled | None,
    entry: OwnImages,
    seed: int,
    read: Callable[[ImageFile], bytes],
    root: Path,
    where: str,
    names: Mapping[str, str] | None = None,
) -> Listing:
    """Return the listing of labelled images; without a ``test`` split, a share of each class is held out.

    ``names`` has names for labels that are numbers; ``where`` names the source in errors. Raises DataError where there
    are too few classes or images, an image twice, or a class in the test split that the training split lacks.
    """
    found = {name for _, name in train}
    numbers = all(name.isascii() and name.isdigit() for name in found)
    order = sorted(found, key=int) if numbers else sorted(found)
    if len(order) < 2:
        only = f" ({order[0]})" if order else ""
        raise DataError(f"{where}: has {len(order)} classes{only}; at least 2 are needed")
    strange = sorted({name for _, name in test or ()} - found)
    if strange:
        raise DataError(f"{where}: the test split's class {strange[0]!r} has no training image; add some or drop it")
    label = {name: number for number, name in enumerate(order)}
    parts = []
    for part in (train, test or ()):
        seen = [path for path, _ in part]
        if len(set(seen)) < len(seen):
            twice = next(path for path, count in Counter(seen).items() if count > 1)
            raise DataError(f"{where}: names {twice} twice; list each image once")
        broken = next((path for path in seen if "\n" in path), None)
        if broken is not None:
            raise DataError(f"{where}: the file name {broken!r} contains a line break; rename it")
        parts.append([ImageFile(path, label[name]) for path, name in part])
    classes = tuple((names or {}).get(name, name) for name in order)
    files, tests = (parts[0], parts[1]) if test is not None else held_out(parts[0], classes, entry, seed, where)
    if not tests:
        raise DataError(f"{where}: has no test image; add some, or name no test split to have a share held out")
    return Listing(files, tests, classes, read, root)


def held_out(
    files: list[ImageFile], classes: tuple[str, ...], entry: OwnImages, seed: int, where: str
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Return the training and the test files: a share ``test_fraction`` of each class, drawn by name, is for testing.

    Raises DataError where a class has one image alone.
    """
    test: list[ImageFile] = []
    for label, name in enumerate(classes):
        members = [file for file in files if file.label == label]
        if len(members) < 2:
            raise DataError(
                f"{where}: class {name!r} has one image; it needs 2 at least, to train on and to test on: add images, "
                "leave the class out, or give a test split of its own"
            )
        count = min(len(members) - 1, max(1, round(entry.test_fraction * len(members))))
        test += seeds.sample(seed, f"test-split/class-{label}", members, count)
    chosen = set(test)
    return [file for file in files if file not in chosen], sorted(test, key=lambda file: file.path)


def arrays(entry: OwnImages, listing: Listing) -> RawImages:
    """Return all images in memory, each resized and centre-cropped to ``image_size`` (``storage: array``)."""

    def fitted(image: Image.Image) -> Image.Image:
        return ImageOps.fit(image, (entry.image_size, entry.image_size), Image.Resampling.BICUBIC)

    def joined(contents: list[FileContent]) -> Images:
        shape = (0, entry.image_size, entry.image_size, 3 if entry.color == "rgb" else 1)
        return np.stack([content.pixels_HWC for content in contents]) if contents else np.zeros(shape, np.uint8)

    skipped: list[str] = []
    parts = contents(entry, listing, fitted, skipped)
    pairs = [(joined(made), np.array([file.label for file in kept], np.int64)) for kept, made in parts]
    return RawImages(*pairs[0], *pairs[1], listing.classes, "the user's own", tuple(skipped))


def sampled(image: Image.Image) -> Image.Image:
    """Return a small image of an image's own pixels (``storage: files``)."""
    # nearest, not averaged: the pixels' spread is what normalisation wants to know
    return image.resize((SAMPLED_SIDE, SAMPLED_SIDE), Image.Resampling.NEAREST)


def contents(
    entry: OwnImages,
    listing: Listing,
    change: Callable[[Image.Image], Image.Image],
    skipped: list[str],
) -> list[tuple[list[ImageFile], list[FileContent]]]:
    """Decode every file of the training and the test split once; return, for each, what decodes and its content.

    ``skipped`` receives what is left out. Raises DataError, naming a file, where one does not decode, or where an image
    of the test split, by its decoded pixels, is in the training split too, unless the entry says to skip those.
    """

    def content(file: ImageFile) -> FileContent:
        raw = listing.read(file)
        image = decode(raw, entry.color)
        pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
        return FileContent(hashlib.sha256(raw).hexdigest(), pixels, as_bytes(change(image)))

    train, test = (each(entry, files, listing.root, content, skipped) for files in (listing.train, listing.test))
    first = {made.pixels_sha256: file for file, made in zip(*train, strict=True)}
    shared = {file: first[made.pixels_sha256] for file, made in zip(*test, strict=True) if made.pixels_sha256 in first}
    if shared and entry.shared_images == "error":
        file, other = next(iter(shared.items()))
        raise DataError(
            f"{listing.root / file.path}: the same image as {other.path}; {len(shared)} of the test split's "
            "images are in the training split too: remove them, or set shared_images: skip"
        )
    skipped += [file.path for file in shared]
    kept = [(file, made) for file, made in zip(*test, strict=True) if file not in shared]
    return [train, ([file for file, _ in kept], [made for _, made in kept])]


def each(
    entry: OwnImages, files: Iterable[ImageFile], root: Path, make: Callable[[ImageFile], Made], skipped: list[str]
) -> tuple[list[ImageFile], list[Made]]:
    """Apply ``make`` to every file of ``root``, on all processors, and return files and results in order.

    A file that does not decode is added to ``skipped``, or raises DataError with its name, as ``corrupt_images`` says.
    """

    def attempt(file: ImageFile) -> tuple[ImageFile, Made | DataError]:
        try:
            return file, make(file)
        except DataError as error:
            return file, DataError(f"{root / file.path}: {error}")
        except OSError as error:
            return file, DataError(f"{root / file.path}: cannot be read ({error.strerror})")

    kept, results = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, made in pool.map(attempt, files):
            if not isinstance(made, DataError):
                kept.append(file)
                results.append(made)
            elif entry.corrupt_images == "skip":
                skipped.append(file.path)
            else:
                pool.shutdown(cancel_futures=True)
                raise DataError(f"{made}; repair or remove it, or set corrupt_images: skip")
    return kept, results


def as_bytes(image: Image.Image) -> Images:
    """Return an image's pixels (H, W, C)."""
    array = np.asarray(image, np.uint8)
    return array if array.ndim == 3 else array[..., None]

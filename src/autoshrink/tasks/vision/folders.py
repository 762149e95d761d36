"""List and split a user's images, one folder per class, and find damaged or duplicate ones.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.params.data import ImageFolder
from autoshrink.runtime import seeds
from autoshrink.tasks.vision.decoding import decode
from autoshrink.tasks.vision.raw import Images, RawImages

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
SAMPLED_SIDE = 32

Made = TypeVar("Made")


@dataclass(frozen=True)
class ImageFile:
    """One image's file, relative to the source's folder, and its label."""

    path: str
    label: int


@dataclass(frozen=True)
class FileContent:
    """What preparing has seen of a file: the digests of its bytes and of its decoded pixels, and pixels (H, W, C) made
    of them.
    """

    sha256: str
    pixels_sha256: str
    pixels_HWC: Images


def listing(entry: ImageFolder, seed: int) -> tuple[list[ImageFile], list[ImageFile], tuple[str, ...]]:
    """Return the training files, the test files and the classes' names, in an order that no file system decides.

    The test split is ``val/`` or ``test/``; where there is neither, a share ``test_fraction`` of each class, drawn by
    name.
    Raises DataError where folders or images are missing.
    """
    folder = Path(entry.folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give the folder that holds the classes' folders")
    tests = [name for name in ("val", "test") if (folder / name).is_dir()]
    if (folder / "train").is_dir():
        if not tests:
            raise DataError(f"{folder}: has train/, but neither val/ nor test/; add one of them")
        classes = _classes(folder / "train")
        if _classes(folder / tests[0]) != classes:
            raise DataError(f"{folder}: train/ and {tests[0]}/ do not hold the same classes; make their folders agree")
        return _files(folder, "train", classes), _files(folder, tests[0], classes), classes
    classes = _classes(folder)
    files, test = _files(folder, ".", classes), []
    for label, name in enumerate(classes):
        members = [file for file in files if file.label == label]
        count = max(1, round(entry.test_fraction * len(members)))
        if count >= len(members):
            raise DataError(f"{folder / name}: has only {len(members)} images; a class needs 2 at least")
        test += seeds.sample(seed, f"test-split/class-{label}", members, count)
    held_out = set(test)
    return [file for file in files if file not in held_out], sorted(test, key=lambda file: file.path), classes


def arrays(entry: ImageFolder, seed: int) -> RawImages:
    """Return all images in memory, each resized and centre-cropped to ``image_size`` (``storage: array``)."""
    train, test, classes = listing(entry, seed)

    def fitted(image: Image.Image) -> Image.Image:
        return ImageOps.fit(image, (entry.image_size, entry.image_size), Image.Resampling.BICUBIC)

    def joined(contents: list[FileContent]) -> Images:
        shape = (0, entry.image_size, entry.image_size, 3 if entry.color == "rgb" else 1)
        return np.stack([content.pixels_HWC for content in contents]) if contents else np.zeros(shape, np.uint8)

    skipped: list[str] = []
    parts = contents(entry, (train, test), fitted, skipped)
    pairs = [(joined(made), np.array([file.label for file in kept], np.int64)) for kept, made in parts]
    return RawImages(*pairs[0], *pairs[1], classes, "the user's own", tuple(skipped))


def sampled(image: Image.Image) -> Image.Image:
    """Return a small image of an image's own pixels (``storage: files``)."""
    # nearest, not averaged: the pixels' spread is what normalisation wants to know
    return image.resize((SAMPLED_SIDE, SAMPLED_SIDE), Image.Resampling.NEAREST)


def contents(
    entry: ImageFolder,
    splits: tuple[list[ImageFile], list[ImageFile]],
    change: Callable[[Image.Image], Image.Image],
    skipped: list[str],
) -> list[tuple[list[ImageFile], list[FileContent]]]:
    """Decode every file of the training and the test split once; return, for each, what decodes and its content.

    ``skipped`` receives what is left out. Raises DataError, naming a file, where one does not decode, or where an image
    of the test split, by its decoded pixels, is in the training split too, unless the entry says to skip those.
    """

    def content(path: Path) -> FileContent:
        raw = foreign.read(path)
        image = decode(raw, entry.color)
        pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
        return FileContent(hashlib.sha256(raw).hexdigest(), pixels, as_bytes(change(image)))

    train, test = (each(entry, files, content, skipped) for files in splits)
    first = {made.pixels_sha256: file for file, made in zip(*train, strict=True)}
    shared = {file: first[made.pixels_sha256] for file, made in zip(*test, strict=True) if made.pixels_sha256 in first}
    if shared and entry.shared_images == "error":
        file, other = next(iter(shared.items()))
        raise DataError(
            f"{Path(entry.folder) / file.path}: the same image as {other.path}; {len(shared)} of the test split's "
            "images are in the training split too: remove them, or set shared_images: skip"
        )
    skipped += [file.path for file in shared]
    kept = [(file, made) for file, made in zip(*test, strict=True) if file not in shared]
    return [train, ([file for file, _ in kept], [made for _, made in kept])]


def each(
    entry: ImageFolder, files: Iterable[ImageFile], make: Callable[[Path], Made], skipped: list[str]
) -> tuple[list[ImageFile], list[Made]]:
    """Apply ``make`` to every file, on all processors, and return files and results in order.

    A file that does not decode is added to ``skipped``, or raises DataError with its name, as ``corrupt_images`` says.
    """
    folder = Path(entry.folder)

    def attempt(file: ImageFile) -> tuple[ImageFile, Made | DataError]:
        try:
            return file, make(folder / file.path)
        except DataError as error:
            return file, DataError(f"{folder / file.path}: {error}")
        except OSError as error:
            return file, DataError(f"{folder / file.path}: cannot be read ({error.strerror})")

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


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if len(names) < 2:
        raise DataError(f"{folder}: holds {len(names)} class folders; at least 2 are needed, one per class")
    return names


def _files(folder: Path, part: str, classes: tuple[str, ...]) -> list[ImageFile]:
    found = []
    for label, class_name in enumerate(classes):
        paths = sorted(path for path in (folder / part / class_name).rglob("*") if path.suffix.lower() in EXTENSIONS)
        if not paths:
            raise DataError(f"{folder / part / class_name}: holds no image ({', '.join(sorted(EXTENSIONS))})")
        odd = [path for path in paths if not path.is_file()]
        if odd:
            raise DataError(f"{odd[0]}: is no regular file (a folder, a pipe or a dangling link); remove it")
        names = [path.relative_to(folder).as_posix() for path in paths]
        broken = [name for name in names if "\n" in name]
        if broken:
            raise DataError(f"{folder}: the file name {broken[0]!r} contains a line break; rename it")
        found += [ImageFile(name, label) for name in names]
    return found

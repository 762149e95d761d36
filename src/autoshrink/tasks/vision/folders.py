"""A user's own photographs, one folder per class: listing, splitting, decoding, and telling which do not decode.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from autoshrink.errors import DataError
from autoshrink.params.data import ImageFolder
from autoshrink.runtime import seeds
from autoshrink.tasks.vision.raw import Images, Labels, RawImages

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
    """What preparing has seen of a file: its digest, and pixels (H, W, C) picked out of it."""

    sha256: str
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

    def pixels(path: Path) -> Images:
        image = decode(path.read_bytes(), entry.color)
        return as_bytes(ImageOps.fit(image, (entry.image_size, entry.image_size), Image.Resampling.BICUBIC))

    def split(files: list[ImageFile]) -> tuple[Images, Labels]:
        kept, made = each(entry, files, pixels, skipped)
        shape = (0, entry.image_size, entry.image_size, 3 if entry.color == "rgb" else 1)
        return np.stack(made) if made else np.zeros(shape, np.uint8), np.array([file.label for file in kept], np.int64)

    skipped: list[str] = []
    parts = (*split(train), *split(test))
    return RawImages(*parts, classes, "the user's own", tuple(skipped))


def contents(
    entry: ImageFolder, files: list[ImageFile], skipped: list[str]
) -> tuple[list[ImageFile], list[FileContent]]:
    """Decode every file once and return those that decode with what they hold (``storage: files``)."""

    def content(path: Path) -> FileContent:
        raw = path.read_bytes()
        image = decode(raw, entry.color)
        # nearest, not averaged: the pixels' spread is what normalisation wants to know
        sampled = image.resize((SAMPLED_SIDE, SAMPLED_SIDE), Image.Resampling.NEAREST)
        return FileContent(hashlib.sha256(raw).hexdigest(), as_bytes(sampled))

    return each(entry, files, content, skipped)


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


def decode(content: bytes, color: str) -> Image.Image:
    """Return a file's image as RGB or grey, upright. Raises DataError where it does not decode."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGB" if color == "rgb" else "L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = " ".join(str(error).split()).replace("<_io.BytesIO object at ", "<").split(" <")[0]
        raise DataError(f"does not decode as an image ({why})") from None


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
        names = [path.relative_to(folder).as_posix() for path in paths]
        broken = [name for name in names if "\n" in name]
        if broken:
            raise DataError(f"{folder}: the file name {broken[0]!r} contains a line break; rename it")
        found += [ImageFile(name, label) for name in names]
    return found

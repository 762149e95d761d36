"""A user's images, listed with their classes and split: decode them, and find damaged or duplicate ones.

How the list is made differs from format to format: ``folders``, ``tables``, ``shards``.

Shapes: N images, H height, W width, C channels.
"""

import csv
import hashlib
import io
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
# how programs write into text that a value is missing
_MISSING = {"nan", "<na>", "nat", "#n/a"}

log = logging.getLogger(__name__)

Made = TypeVar("Made")


@dataclass(frozen=True)
class ImageFile:
    """One image's file, relative to the source's folder, or its place in an archive or table; and its label."""

    path: str
    label: int


@dataclass(frozen=True)
class Listing:
    """A source's images: both splits and the classes' names, in an order that no file system decides.

    ``read`` returns an image's bytes, or raises OSError; ``root`` is what people find the images' paths in;
    ``draw`` divides images into the two splits; None where the user has.
    """

    train: list[ImageFile]
    test: list[ImageFile]
    classes: tuple[str, ...]
    read: Callable[[ImageFile], bytes]
    root: Path
    draw: "Draw | None"


@dataclass(frozen=True)
class FileContent:
    """What preparing has seen of a file: the digests of its bytes and of its decoded pixels, and pixels (H, W, C) made
    of them.
    """

    sha256: str
    pixels_sha256: str
    pixels_HWC: Images


Draw = Callable[[list[ImageFile]], tuple[list[ImageFile], list[ImageFile]]]
"""Divides images into those to train on and those to test on. Raises DataError where a class has too few."""
Labelled = Sequence[tuple[str, str]]
"""Images by their paths, each with its class's name."""


def label_of(value: object, where: str, key: str, *, is_typed: bool) -> str:
    """Return the class that a user's file gives an image, as text.

    ``is_typed`` says that the format tells text from a missing value (Parquet, JSON): there a class may be called nan;
    in text (CSV) it means that there is none. Raises DataError where there is no class, or something else: a list, a
    mapping, bytes.
    """
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        found = "" if value is None or isinstance(value, str) else f" (it is {value!s})"
        raise DataError(f"{where}: has no {key}{found}; give every image a class")
    if isinstance(value, str) and not is_typed and value.strip().lower() in _MISSING:
        raise DataError(
            f"{where}: has no {key} (it is {value}); give every image a class, and if one is called {value}, rename it "
            "or list the images in a format with types: Parquet or JSON"
        )
    if not isinstance(value, str | int | float):
        shown = f"{value!r:.60}"
        raise DataError(f"{where}: its {key} is {shown}, no name or number; give every image one class")
    return str(value)


def delimited(path: Path, text: str, separator: str = ",") -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a CSV or TSV file. Raises DataError where a row is longer or shorter than the
    header: its values would land in other columns."""
    try:
        header, *rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row
        ]
    except csv.Error as error:
        raise DataError(f"{path}: is no table ({error})") from None
    except ValueError:
        raise DataError(f"{path}: is no table (it is empty)") from None
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(
                f"{path}, row {number}: has {len(row)} fields, the header has {len(header)}; quote a field that holds "
                f"{'a tab' if separator == chr(9) else repr(separator)}, or complete the row"
            )
    return header, rows


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

    ``names`` has names for labels that are numbers; ``where`` names the source in errors. Blanks around labels are
    taken off, and said. Raises DataError where there are too few classes or images, an image twice, or a class in the
    test split that the training split lacks.
    """
    if padded := [name for _, name in (*train, *(test or ())) if name != name.strip()]:
        log.warning(
            "%s: %d labels have blanks around them, such as %r, which are taken off", where, len(padded), padded[0]
        )
        train = [(path, name.strip()) for path, name in train]
        test = None if test is None else [(path, name.strip()) for path, name in test]
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
    draw = partial(held_out, classes=classes, entry=entry, seed=seed, where=where) if test is None else None
    files, tests = (parts[0], parts[1]) if draw is None else draw(parts[0])
    if not tests:
        raise DataError(f"{where}: has no test image; add some, or name no test split to have a share held out")
    return Listing(files, tests, classes, read, root, draw)


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

    ``skipped`` receives what is left out. Raises DataError, naming a file, where one does not decode, or where an
    image, by its decoded pixels, is in both splits or in two classes, unless the entry says to skip those.
    """

    def content(file: ImageFile) -> FileContent:
        raw = listing.read(file)
        image = decode(raw, entry.color)
        pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
        return FileContent(hashlib.sha256(raw).hexdigest(), pixels, as_bytes(change(image)))

    made: dict[ImageFile, FileContent] = {}
    for files in (listing.train, listing.test):
        made |= dict(zip(*each(entry, files, listing.root, content, skipped), strict=True))
    left_out = _left_out(entry, listing, made)
    skipped += [file.path for file in left_out]
    train, test = (
        [file for file in part if file in made and file not in left_out] for part in (listing.train, listing.test)
    )
    if listing.draw is not None and len(train) + len(test) < len(listing.train) + len(listing.test):
        # of those that are left, lest the seed decide whether a class has test images
        train, test = listing.draw(sorted((*train, *test), key=lambda file: file.path))
    return [(part, [made[file] for file in part]) for part in (train, test)]


def _left_out(entry: OwnImages, listing: Listing, made: Mapping[ImageFile, FileContent]) -> dict[ImageFile, None]:
    """Return the images that must not stay: copies that two classes claim, and test images that are trained on.

    Raises DataError where the entry does not say to skip them. Each split that the user gives is judged by itself
    first; where the pipeline draws them all images are judged together, for the seed decides which side a copy is on,
    and of copies of one class the first stays.
    """
    groups = [listing.train, listing.test]
    if listing.draw is not None:
        groups = [sorted((*listing.train, *listing.test), key=lambda file: file.path)]
    left_out: dict[ImageFile, None] = {}
    for group in groups:
        copies: dict[str, list[ImageFile]] = {}
        for file in (file for file in group if file in made):
            copies.setdefault(made[file].pixels_sha256, []).append(file)
        for first, *others in copies.values():
            other = next((file for file in others if file.label != first.label), None)
            if other is not None:
                left_out |= dict.fromkeys((first, *others))
                why = (
                    f"but of class {listing.classes[other.label]!r}, not {listing.classes[first.label]!r}; remove the "
                    "wrong one, or set shared_images: skip to leave both out"
                )
            elif others and listing.draw is not None:
                other = others[0]
                left_out |= dict.fromkeys(others)
                why = "and one might be trained on, the other tested on; remove the copies, or set shared_images: skip"
            if other is not None and entry.shared_images == "error":
                raise DataError(f"{listing.root / other.path}: the same image as {first.path}, {why}")
    trained = {made[file].pixels_sha256: file for file in reversed(listing.train) if file in made}
    tested = [file for file in listing.test if file in made and made[file].pixels_sha256 in trained]
    if tested and entry.shared_images == "error":
        other = trained[made[tested[0]].pixels_sha256]
        raise DataError(
            f"{listing.root / tested[0].path}: the same image as {other.path}; {len(tested)} of the test split's "
            "images are in the training split too: remove them, or set shared_images: skip"
        )
    return left_out if listing.draw is not None else left_out | dict.fromkeys(tested)


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

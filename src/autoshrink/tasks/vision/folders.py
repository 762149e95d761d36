"""List a user's image files: one folder per class, Tiny-ImageNet's layout, and Hugging Face's image folders."""

import json
from functools import partial
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.params.data import ImageFolder
from autoshrink.tasks.vision.listings import (
    EXTENSIONS,
    ImageFile,
    Labelled,
    Listing,
    delimited,
    held_out,
    label_of,
    listed,
)

TESTS = ("val", "test", "validation")
"""The folders that hold the test split, the first that is there."""
ANNOTATIONS = "val_annotations.txt"
METADATA = ("metadata.csv", "metadata.jsonl")
_MOST_METADATA = 2**30


def listing(entry: ImageFolder, seed: int) -> Listing:
    """Return the training files, the test files and the classes' names.

    Without a test split, a share ``test_fraction`` of each class, drawn by name, is held out. Raises DataError where
    folders or images are missing, or where a list of labels is not what it should be.
    """
    folder = Path(entry.folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give the folder that holds the classes' folders")

    def read(file: ImageFile) -> bytes:
        return foreign.read(folder / file.path)

    tests = [name for name in TESTS if (folder / name).is_dir()]
    if (folder / "train").is_dir():
        if not tests:
            raise DataError(f"{folder}: has train/, but neither val/ nor test/ (or validation/); add one of them")
        if any(_metadata(folder / part) for part in ("train", tests[0])):
            labelled = [_of_metadata(folder, part) for part in ("train", tests[0])]
            return listed(labelled[0], labelled[1], entry, seed, read, folder, str(folder))
        classes, is_annotated = _classes(folder / "train"), (folder / tests[0] / ANNOTATIONS).is_file()
        if not is_annotated and _classes(folder / tests[0]) != classes:
            raise DataError(f"{folder}: train/ and {tests[0]}/ do not hold the same classes; make their folders agree")
        files = _files(folder, "train", classes)
        others = _annotated(folder, tests[0], classes) if is_annotated else _files(folder, tests[0], classes)
        return Listing(files, others, classes, read, folder, None)
    if _metadata(folder):
        return listed(_of_metadata(folder, "."), None, entry, seed, read, folder, str(folder))
    classes = _classes(folder)
    draw = partial(held_out, classes=classes, entry=entry, seed=seed, where=str(folder))
    return Listing(*draw(_files(folder, ".", classes)), classes, read, folder, draw)


def _annotated(folder: Path, part: str, classes: tuple[str, ...]) -> list[ImageFile]:
    """Return the images of Tiny-ImageNet's validation split: file, class and a box in each line of its annotations."""
    path = folder / part / ANNOTATIONS
    found = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        columns = line.split("\t")
        if len(columns) < 2 or columns[1] not in classes:
            raise DataError(
                f"{path}, line {number}: {line[:60]!r} does not name a file and, after a tab, one of train/'s "
                f"{len(classes)} classes"
            )
        name = _inside(folder, [f"{part}/images/{columns[0]}", f"{part}/{columns[0]}"], f"{path}, line {number}")
        found.append(ImageFile(name, classes.index(columns[1])))
    if not found:
        raise DataError(f"{path}: names no image")
    return found


def _metadata(part: Path) -> Path | None:
    """Return the list of a folder's images; one that names no classes counts only where no class folders do."""
    path = next((part / name for name in METADATA if (part / name).is_file()), None)
    if path is None or _names_classes(path) or sum(inner.is_dir() for inner in part.iterdir()) < 2:
        return path
    return None


def _names_classes(path: Path) -> bool:
    first = _text(path).split("\n", 1)[0]
    if path.suffix == ".csv":
        return {"file_name", "label"} <= {name.strip().strip('"') for name in first.split(",")}
    return '"file_name"' in first and '"label"' in first


def _of_metadata(folder: Path, part: str) -> Labelled:
    """Return the images that a split's ``metadata.csv`` or ``metadata.jsonl`` names, by ``file_name`` and ``label``."""
    path = _metadata(folder / part)
    if path is None:
        raise DataError(f"{folder / part}: has no {' or '.join(METADATA)}, but the other split has; add one")
    rows: list[dict[str, object]] = []
    text = _text(path)
    if path.suffix == ".csv":
        header, lines = delimited(path, text)
        rows += [dict(zip(header, line, strict=True)) for line in lines]
    else:
        for number, line in enumerate(text.splitlines(), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number}: is no JSON object; expected file_name and label")
            rows.append(row)
    found = []
    for number, row in enumerate(rows, 1):
        name, label = row.get("file_name"), row.get("label")
        where = f"{path}, image {number}"
        if not isinstance(name, str) or "label" not in row:
            raise DataError(f"{where}: has no file_name and label; found {', '.join(map(str, row)) or 'nothing'}")
        label = label_of(label, where, "label", is_typed=path.suffix != ".csv")
        found.append((_inside(folder, [f"{part}/{name}"], where), label))
    return found


def _inside(folder: Path, names: list[str], where: str) -> str:
    """Return the first of these files that is there, relative to ``folder``."""
    for name in names:
        if (folder / name).is_file():
            return Path(name).as_posix()
    raise DataError(f"{where}: there is no file {folder / names[0]}")


def _text(path: Path) -> str:
    try:
        return foreign.read(path, _MOST_METADATA).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start})") from None


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

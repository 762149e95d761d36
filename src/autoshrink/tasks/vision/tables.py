"""List images that a table names or holds: CSV or TSV with paths, Parquet with paths or with the images themselves."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from autoshrink.errors import DataError, meant
from autoshrink.files import foreign
from autoshrink.params.data import ImageTable
from autoshrink.tasks.raw_data import matching
from autoshrink.tasks.vision.listings import ImageFile, Listing, listed

SUFFIXES = (".csv", ".tsv", ".parquet")
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "validation"
)


@dataclass(frozen=True)
class Row:
    """One image of a table: where it is, its class, its split, and its bytes where the table holds them."""

    place: str
    label: str
    split: str
    content: Callable[[], bytes] | None = None


def listing(entry: ImageTable, seed: int) -> Listing:
    """Return the images of the tables. Raises DataError for a table, column or image that is not there."""
    names: dict[str, str] = {}
    train = list(_rows(entry, entry.train, names))
    test = None if entry.test is None else list(_rows(entry, entry.test, names))
    if test is None and entry.split_column is not None:
        kinds = {row.split for row in train}
        last = "test" if "test" in kinds else "validation"
        if last not in kinds:
            raise DataError(
                f"{entry.train}: column {entry.split_column!r} names no test or validation image; give a table of them "
                "as test, or split_column: null to have a share of each class held out"
            )
        train, test = [row for row in train if row.split != last], [row for row in train if row.split == last]
    contents = {row.place: row.content for row in (*train, *(test or ())) if row.content is not None}

    def read(file: ImageFile) -> bytes:
        content = contents.get(file.path)
        return foreign.read(Path(file.path)) if content is None else content()

    parts = [None if part is None else [(row.place, row.label) for row in part] for part in (train, test)]
    assert parts[0] is not None
    return listed(parts[0], parts[1], entry, seed, read, Path(), entry.train, names)


def _rows(entry: ImageTable, pattern: str, names: dict[str, str]) -> Iterator[Row]:
    """Yield the rows of all files that the pattern names; ``names`` receives what numbered labels are called."""
    for path in matching(pattern, SUFFIXES, "a .csv, .tsv or .parquet file, a folder of .parquet files, or a pattern"):
        folder = path.parent if entry.folder is None else Path(entry.folder)
        wanted = [entry.image_column, entry.label_column, *([entry.split_column] if entry.split_column else [])]
        columns = _parquet(path, wanted, entry, names) if path.suffix.lower() == ".parquet" else _text(path, wanted)
        for number, (image, label, *rest) in enumerate(zip(*columns, strict=True), 1):
            where = f"{path}, row {number}"
            if label is None or label == "" or label != label:
                raise DataError(f"{where}: has no {entry.label_column}; give every image a class")
            split = _SPLITS.get(str(rest[0]).strip().lower()) if rest else "train"
            if split is None:
                raise DataError(f"{where}: {entry.split_column} is {rest[0]!r}; accepted: {', '.join(sorted(_SPLITS))}")
            yield _row(image, str(label), split, where, folder)


def _row(image: Any, label: str, split: str, where: str, folder: Path) -> Row:
    """Return a row: an image is a path, bytes, or Hugging Face's pair of both."""
    found = image() if callable(image) else image
    held = found.get("bytes") if isinstance(found, dict) else found if isinstance(found, bytes) else None
    if held is not None:
        return Row(where.replace(", row ", "/row-"), label, split, lambda: _bytes(image()))
    name = found.get("path") if isinstance(found, dict) else found
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: holds no image; accepted: a path, the file's bytes, or a struct of bytes and path")
    if not (folder / name).is_file():
        raise DataError(f"{where}: there is no file {folder / name}; give the folder that paths are relative to")
    return Row(str(folder / name), label, split)


def _bytes(found: Any) -> bytes:
    content = found["bytes"] if isinstance(found, dict) else found
    assert isinstance(content, bytes)
    return content


def _text(path: Path, wanted: list[str]) -> list[Any]:
    """Return the columns of a CSV or TSV file, as text."""
    try:
        content, separator = io.BytesIO(foreign.read(path)), "\t" if path.suffix.lower() == ".tsv" else ","
        table = pd.read_csv(content, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # of the parser and of the encoding
        raise DataError(f"{path}: is no table ({' '.join(str(error).split())})") from None
    _check(path, wanted, list(table.columns))
    return [table[name].tolist() for name in wanted]


def _parquet(path: Path, wanted: list[str], entry: ImageTable, names: dict[str, str]) -> list[Any]:
    """Return the columns of a Parquet file; images are made of their cells when they are asked for."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs the package pyarrow; install autoshrink[data]") from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check(path, wanted, schema.names)
            table = file.read(columns=wanted)
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from None
    labels = table.column(entry.label_column).to_pylist()
    called = _class_names(schema, entry.label_column)
    if unnamed := [each for each in labels if called and each is not None and str(each) not in called]:
        raise DataError(f"{path}: its class {unnamed[0]} has no name among {len(called)}; leave such rows out")
    if len(set(called.values())) < len(called) or (called and names and called != names):
        raise DataError(f"{path}: two classes have one name, or another file calls them otherwise; make them agree")
    names.update(called)
    cells = table.column(entry.image_column)
    images = [cells[row].as_py for row in range(len(cells))]
    return [images, labels, *(table.column(name).to_pylist() for name in wanted[2:])]


def _class_names(schema: Any, column: str) -> dict[str, str]:
    """Return the names that Hugging Face keeps for a column of numbered classes, by number."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = about["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {str(number): str(name) for number, name in enumerate(found)} if isinstance(found, list) else {}


def _check(path: Path, wanted: list[str], columns: list[str]) -> None:
    for name in wanted:
        if columns.count(name) > 1:
            raise DataError(f"{path}: has {columns.count(name)} columns {name!r}; a column needs a name of its own")
        if name not in columns:
            raise DataError(
                f"{path}: has no column {name!r}; found {', '.join(map(str, columns))}{meant(name, columns)}: set "
                "image_column and label_column"
            )

"""List images that a table names or holds: CSV or TSV with paths, Parquet with paths or with the images themselves."""

import errno
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autoshrink.errors import DataError, meant
from autoshrink.files import foreign
from autoshrink.params.data import ImageTable
from autoshrink.tasks.raw_data import matching
from autoshrink.tasks.vision.listings import ImageFile, Listing, delimited, label_of, listed

SUFFIXES = (".csv", ".tsv", ".parquet")
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "validation"
)
# rows, and bytes of the file, that are read of a Parquet file at once
_BATCH, _BUFFER = 16, 2**20


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
        is_typed = path.suffix.lower() == ".parquet"
        columns = _parquet(path, wanted, entry, names) if is_typed else _text(path, wanted)
        for number, (image, label, *rest) in enumerate(zip(*columns, strict=True), 1):
            where = f"{path}, row {number}"
            split = _SPLITS.get(str(rest[0]).strip().lower()) if rest else "train"
            if split is None:
                raise DataError(f"{where}: {entry.split_column} is {rest[0]!r}; accepted: {', '.join(sorted(_SPLITS))}")
            name = label_of(label, where, entry.label_column, is_typed=is_typed)
            if callable(image):
                # padded, for the images of a split are read in the order of these names
                yield Row(f"{path}/row-{number:07d}", name, split, image)
            else:
                yield Row(_place(image, where, folder), name, split)


def _place(image: object, where: str, folder: Path) -> str:
    """Return the path of an image in a file of its own."""
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}: holds no image; accepted: a path, the file's bytes, or a struct of bytes and path")
    if not (folder / image).is_file():
        raise DataError(f"{where}: there is no file {folder / image}; give the folder that paths are relative to")
    return str(folder / image)


def _text(path: Path, wanted: list[str]) -> list[Any]:
    """Return the columns of a CSV or TSV file, as text."""
    try:
        text = foreign.read(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no table (no UTF-8 text, at byte {error.start})") from None
    header, rows = delimited(path, text, "\t" if path.suffix.lower() == ".tsv" else ",")
    _check(path, wanted, header)
    places = [header.index(name) for name in wanted]
    return [[row[place] for row in rows] for place in places]


def _parquet(path: Path, wanted: list[str], entry: ImageTable, names: dict[str, str]) -> list[Any]:
    """Return the columns of a Parquet file; in place of an image's bytes stands a function that reads them."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs the package pyarrow; install autoshrink[data]") from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check(path, wanted, schema.names)
            table = file.read(columns=wanted[1:])
        images = _Cells(path, entry.image_column).all()
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from None
    labels = table.column(entry.label_column).to_pylist()
    called = _class_names(schema, entry.label_column)
    if unnamed := [each for each in labels if called and each is not None and str(each) not in called]:
        raise DataError(f"{path}: its class {unnamed[0]} has no name among {len(called)}; leave such rows out")
    if len(set(called.values())) < len(called) or (called and names and called != names):
        raise DataError(f"{path}: two classes have one name, or another file calls them otherwise; make them agree")
    names.update(called)
    return [images, labels, *(table.column(name).to_pylist() for name in wanted[2:])]


class _Cells:
    """The images that a Parquet file holds, read in batches when they are asked for: all of them may exceed memory.

    Threads ask for them about in the order of the rows. The batches that were read last are kept.
    """

    def __init__(self, path: Path, column: str) -> None:
        self._path, self._column = path, column
        self._lock = threading.Lock()
        self._batches = self._read()
        self._next = 0  # the row that the next batch begins with
        self._kept: deque[tuple[int, Any]] = deque(maxlen=2 + 2 * (os.cpu_count() or 1) // _BATCH)

    def all(self) -> list[Any]:
        """Return for each row a function that returns its bytes where it holds some, else what it holds: a path."""
        found: list[Any] = []
        for column in self._read():
            held, others = _held(column)
            for is_held, other in zip(held, others, strict=True):
                found.append(partial(self._bytes, len(found)) if is_held else other)
        return found

    def _bytes(self, row: int) -> bytes:
        """Return a row's bytes. Raises OSError where the file is not the one that was listed any more."""
        with self._lock:
            if row < self._next and not any(begin <= row for begin, _ in self._kept):
                self._batches, self._next = self._read(), 0
            while row >= self._next:
                column = next(self._batches, None)
                if column is None:
                    raise OSError(errno.EIO, "it has changed while it was read")
                self._kept.append((self._next, column))
                self._next += len(column)
            begin, column = next(pair for pair in reversed(self._kept) if pair[0] <= row)
        cell = column[row - begin].as_py()
        content = cell["bytes"] if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise OSError(errno.EIO, "it has changed while it was read")
        return content

    def _read(self) -> Iterator[Any]:
        """Yield the column in pieces of some rows."""
        import pyarrow as arrow
        from pyarrow import parquet

        try:
            # a buffer: a page is read at a time, of which writers put some thousand images into one, and not the row
            # group, which is often the whole file
            with parquet.ParquetFile(self._path, buffer_size=_BUFFER) as file:
                for batch in file.iter_batches(_BATCH, columns=[self._column]):
                    yield batch.column(0)
        except arrow.ArrowException as error:
            raise OSError(errno.EIO, " ".join(str(error).split())[:200]) from None


def _held(column: Any) -> tuple[list[bool], list[Any]]:
    """Return which cells hold bytes, and what the others hold: Hugging Face has a struct of bytes and path."""
    from pyarrow import types

    kind = column.type
    if types.is_struct(kind):
        names = [field.name for field in kind]
        paths = column.field("path").to_pylist() if "path" in names else [None] * len(column)
        content = column.field("bytes") if "bytes" in names else None
        return [False] * len(column) if content is None else content.is_valid().to_pylist(), paths
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return column.is_valid().to_pylist(), [None] * len(column)
    return [False] * len(column), column.to_pylist()


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

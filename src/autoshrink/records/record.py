"""Base types of all records: frozen, closed to unknown fields, validated when made and when read, one JSON form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, Strict, ValidationError

from autoshrink.cells import body
from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Task

Item = TypeVar("Item")

Many = Annotated[tuple[Item, ...], Strict(False)]
"""A JSON list."""

Number = int | float
"""Whole numbers stay whole, so that what was read is written back byte for byte."""

Numbers = Mapping[str, Number]
"""Costs by name: ``macs``, ``parameters``, ``latency_ms``, ..."""

Metrics = Mapping[str, Number | None]
"""Metrics by name: ``accuracy``, ``perplexity``, ``loss``, ...; None where a value is not finite."""

Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
TaskName = Annotated[Task, Strict(False)]
EdgeField = Annotated[tuple[int, int], Strict(False)]


def _cell(value: object) -> Cell:
    return value if isinstance(value, Cell) else Cell.from_json(value)


def _body(value: object) -> Body:
    return value if isinstance(value, Cell | KnownBlock) else body.from_json(value)


def _body_to_json(value: Body) -> Json:
    return value.to_json()


BodyField = Annotated[Body, PlainValidator(_body), PlainSerializer(_body_to_json)]
CellField = Annotated[Cell, PlainValidator(_cell), PlainSerializer(Cell.to_json)]


def optional(value: object) -> bool:
    """Whether an optional field is left out of the file (``exclude_if``)."""
    return value is None


class Record(BaseModel):
    """A value of a file. Making one with a wrong type, an unknown field or a NaN raises pydantic's ValidationError."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def to_json(self) -> Json:
        """Return the record as the JSON values of its file."""
        return self.model_dump(mode="json")


class SealedRecord(Record):
    """The whole content of a sealed JSON file of kind ``KIND``."""

    KIND: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises ArtifactError, in one line, where it is missing, damaged, or not what the type says."""
        return cls._of(artifacts.read_sealed(path, cls.KIND, cls.VERSION), path)

    @classmethod
    def _of(cls, content: Json, path: Path) -> Self:
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ArtifactError(f"{path}: {mismatch(cls.KIND, error)}; remove it to regenerate it") from None

    def sealed(self) -> bytes:
        """Return the bytes of the record's file."""
        return artifacts.sealed_bytes(self.KIND, self.VERSION, self.to_json())

    def write(self, path: Path) -> None:
        """Write the record as a sealed file."""
        artifacts.write_bytes(path, self.sealed())


class TaskRecord(SealedRecord):
    """A file of one kind whose content differs between tasks: each task has a type of its own."""

    TASK: ClassVar[Task]

    task: TaskName

    @classmethod
    def _of(cls, content: Json, path: Path) -> Self:
        if content.get("task") != cls.TASK:
            raise ArtifactError(f"{path}: is a {cls.KIND} for {content.get('task')!r}, not for {str(cls.TASK)!r}")
        return super()._of(content, path)


class SearchRecord(SealedRecord):
    """A file that belongs to one search."""

    task: TaskName
    search: str
    """The search's folder: its strategy and the label of its seed, such as ``shrink-0``."""

    def belonging_to(self, task: Task, search: str, path: Path) -> Self:
        """Return the record, read from ``path``. Raises ArtifactError where it is another search's."""
        if (self.task, self.search) != (task, search):
            raise ArtifactError(f"{path}: belongs to the search {self.task}/{self.search}, not {task}/{search}")
        return self


def mismatch(kind: str, error: ValidationError) -> str:
    """Say in one line what is wrong with a file of this kind: where, what was found and what is expected."""
    first = error.errors(include_url=False, include_context=False)[0]
    # a key of a damaged file may hold anything: it is shown escaped, on one line
    where = ".".join(str(part) for part in first["loc"]).encode("unicode_escape").decode() or "its content"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "missing":
        return f"is no {kind}: it lacks {where}{more}"
    found = " ".join(repr(first["input"]).split())
    said = " ".join(first["msg"].removeprefix("Value error, ").split())
    return f"is no {kind}: {where}: {said}, found {found[:60]}{'...' if len(found) > 60 else ''}{more}"

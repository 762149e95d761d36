"""Which of TensorBoard's event files in a folder a training wrote: no other is ever removed."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from autoshrink.errors import ArtifactError
from autoshrink.records.record import Many, SealedRecord

NAME = "curves.json"


class CurveFiles(SealedRecord):
    """The list beside the event files."""

    KIND: ClassVar = "curves"

    files: Many[str]
    """Their names."""


def written(folder: Path) -> list[Path]:
    """Return the event files that trainings wrote here and that are there, and the list itself."""
    path = folder / NAME
    try:
        names = CurveFiles.read(path).files
    except ArtifactError:
        return []
    return [file for file in (*(folder / Path(name).name for name in names), path) if file.is_file()]


def add(folder: Path, files: Iterable[Path]) -> None:
    """Add event files to the list."""
    names = {path.name for path in (*written(folder), *files)} - {NAME}
    CurveFiles(files=tuple(sorted(names))).write(folder / NAME)

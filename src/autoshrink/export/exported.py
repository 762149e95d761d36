"""Which files of a folder an export wrote: those it may overwrite, and no others."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from autoshrink.errors import ArtifactError, UserError
from autoshrink.records.record import Many, SealedRecord

NAME = "exported.json"


class Exported(SealedRecord):
    """The list that stands beside them."""

    KIND: ClassVar = "exported"

    files: Many[str]
    """Their names."""


def claim(folder: Path, names: Sequence[str]) -> None:
    """Add ``names``, which are about to be written, to the folder's list.

    Raises UserError where one of them is there already and is not on the list; nothing is written then.
    """
    path = folder / NAME
    try:
        own = {*Exported.read(path).files, NAME}
    except ArtifactError:
        own = set()
    for name in (NAME, *names):
        if os.path.lexists(folder / name) and name not in own:
            raise UserError(
                f"--out {folder}: {name} is there already, and no {NAME} beside it says that an export wrote it; name "
                "another folder, or move it away"
            )
    Exported(files=tuple(sorted({*own, *names} - {NAME}))).write(path)

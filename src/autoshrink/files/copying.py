"""Copy a folder into another that may have files already: those stay."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from autoshrink.errors import UserError
from autoshrink.files import artifacts


def copy_missing(source: Path, target: Path) -> tuple[int, int]:
    """Copy the files that ``target`` lacks of the folder ``source``; return how many were copied and how many stay.

    Nothing is overwritten, and each file appears whole or not at all: interrupted, the same call goes on. Links in
    ``source`` are followed. Raises UserError where a file cannot be read or written, and where a link leads back to a
    folder that it is in.
    """
    if not source.is_dir():
        raise UserError(f"{source}: is no folder, so nothing can be copied from it")
    copied = stay = 0
    for path in _files(source, ()):
        place = target / path.relative_to(source)
        if os.path.lexists(place):
            stay += 1
            continue
        try:
            with artifacts.opened(path) as file, artifacts.replacing(place) as copy:
                shutil.copyfileobj(file, copy)
        except OSError as error:
            raise UserError(f"{path}: cannot be copied to {place} ({error.strerror})") from None
        copied += 1
    return copied, stay


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield all files below a folder, by name; ``above`` are the folders on the way to it, without links."""
    here = folder.resolve()
    if here in above:
        raise UserError(f"{folder}: is a link to a folder that it is in; remove it")
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    for path in found:
        if path.is_dir():
            yield from _files(path, (*above, here))
        else:
            yield path

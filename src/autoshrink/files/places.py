"""Check that output folders are writable before any computation."""

import os
from collections.abc import Mapping
from pathlib import Path

from autoshrink.errors import UserError


def require_writable(folders: Mapping[str, Path]) -> None:
    """Make sure that these folders can be written, or made. Raises UserError, a line each, named by their keys."""
    require_folders(folders)
    lines = []
    for key, folder in folders.items():
        place = _nearest(folder)
        if not os.access(place, os.W_OK | os.X_OK):
            lines.append(f"{key} = {str(folder)!r}: {place} cannot be written; name a folder that can")
    if lines:
        raise UserError("\n".join(lines))


def require_folders(folders: Mapping[str, Path]) -> None:
    """Make sure that nothing but a folder stands where these folders are, or lead to. Raises UserError, a line each."""
    lines = [
        f"{key} = {str(folder)!r}: {place} is no folder; name another, or move it away"
        for key, folder in folders.items()
        if not (place := _nearest(folder)).is_dir()
    ]
    if lines:
        raise UserError("\n".join(lines))


def _nearest(folder: Path) -> Path:
    """Return what is there of a folder that may not be: itself, or the nearest above it."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))

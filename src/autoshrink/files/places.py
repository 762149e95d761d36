"""Check that output folders are writable before any computation."""

import os
from collections.abc import Mapping
from pathlib import Path

from autoshrink.errors import UserError


def require_writable(folders: Mapping[str, Path]) -> None:
    """Make sure that these folders can be written, or made. Raises UserError, a line each, named by their keys."""
    lines = []
    for key, folder in folders.items():
        place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if not place.is_dir():
            lines.append(f"{key} = {str(folder)!r}: {place} is no folder; name a folder that can be written")
        elif not os.access(place, os.W_OK | os.X_OK):
            lines.append(f"{key} = {str(folder)!r}: {place} cannot be written; name a folder that can")
    if lines:
        raise UserError("\n".join(lines))

"""Bounded reading of users' files."""

import errno
import os
from pathlib import Path

from autoshrink.files import artifacts


def read(path: Path, most_bytes: int | None = None) -> bytes:
    """Return a regular file's bytes, symbolic links followed.

    Raises OSError as the file system does, and for a folder, a pipe, a socket or a device, and for more than
    ``most_bytes``; its ``strerror`` says so in words.
    """
    with artifacts.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most_bytes is not None and size > most_bytes:
            raise OSError(errno.EFBIG, f"{size:,} bytes; accepted: at most {most_bytes:,}", str(path))
        return file.read()

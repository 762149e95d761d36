"""Reading files that somebody else made: regular ones only, since a pipe or a device would never end."""

import errno
import os
import stat
from pathlib import Path


def read(path: Path, most_bytes: int | None = None) -> bytes:
    """Return a regular file's bytes, symbolic links followed.

    Raises OSError as the file system does, and for a folder, a pipe, a socket or a device, and for more than
    ``most_bytes``; its ``strerror`` says so in words.
    """
    # without O_NONBLOCK, opening a pipe waits for somebody to write to it
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "a folder, not a file", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "a pipe, a socket or a device, not a regular file", str(path))
        if most_bytes is not None and found.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"{found.st_size:,} bytes; accepted: at most {most_bytes:,}", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)

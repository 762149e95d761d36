"""Whether raw data and pre-trained vectors are at hand, told before anything runs and without reading it."""

from collections.abc import Collection
from itertools import product
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.tasks.spec import spec_of


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
            entry = parameters.datasets[name]
            found.append(f"{name}: {spec_of(entry.task).locate(name, entry)}")
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))
    return found


def vectors(parameters: Parameters, section: str, task: Task) -> list[Path]:
    """Return the files of pre-trained vectors, none or one, that ``proxy`` or ``training`` reads for the task.

    Raises DataError when there is no such file.
    """
    return spec_of(task).side_inputs(getattr(getattr(parameters, section), task), f"{section}.{task}")

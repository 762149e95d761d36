"""Check that raw data and the files that recipes read exist, before anything runs."""

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of


def check(parameters: Parameters) -> list[str]:
    """Return one line per data set that the parameters use, saying where it comes from.

    Raises DataError, one line per data set whose folder, file or package, and per file of vectors, that is missing.
    """
    check_apart(parameters)
    missing = []
    for section, task in product(("proxy", "training"), parameters.tasks):
        try:
            side_inputs(parameters, section, task)
        except DataError as error:
            missing.append(str(error))
    found = []
    try:
        found = locate(parameters, parameters.used_datasets)
    except DataError as error:
        missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))
    return found


def locate(parameters: Parameters, names: Iterable[str]) -> list[str]:
    """Return one line per data set of these names, saying where its raw data is.

    Raises DataError, one line per data set whose folder, file or package is missing.
    """
    found, missing = [], []
    for name in names:
        try:
            entry = parameters.datasets[name]
            found.append(f"{name}: {spec_of(entry.task).locate(name, entry)}")
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise DataError("\n".join(missing))
    return found


def check_apart(parameters: Parameters) -> None:
    """Make sure that no raw data lies where the pipeline writes, nor around it. Symbolic links are followed.

    Raises DataError, one line per data set or file of vectors that does.
    """
    written = {
        "paths.results": Path(parameters.paths.results),
        "paths.store": Path(parameters.paths.store),
        **{f"the prepared data set {name}": address.folder(parameters, name) for name in parameters.used_datasets},
    }
    lines = []
    for key, raw in _raw(parameters):
        for what, place in written.items():
            one, other = raw.resolve(), place.resolve()
            if one.is_relative_to(other) or other.is_relative_to(one):
                lines.append(
                    f"{key} = {str(raw)!r}: overlaps {what} ({place}), which the pipeline writes to; "
                    f"keep raw data in a folder of its own, such as raw/{raw.name}"
                )
                break
    if lines:
        raise DataError("\n".join(lines))


def _raw(parameters: Parameters) -> Iterator[tuple[str, Path]]:
    """Yield the files and folders of the user's that the run reads, each under the key that names it."""
    for name in parameters.used_datasets:
        entry = parameters.datasets[name]
        for key in ("folder", "train", "validation", "test"):
            value = getattr(entry, key, None)
            if isinstance(value, str):
                yield f"datasets.{name}.{key}", Path(value)
    for section, task in product(("proxy", "training"), parameters.tasks):
        recipe = getattr(getattr(parameters, section), task)
        for key, file in spec_of(task).side_inputs(recipe).items():
            yield f"{section}.{task}.{key}", Path(file)


def side_inputs(parameters: Parameters, section: str, task: Task) -> list[Path]:
    """Return the files beside the data set, such as pre-trained vectors, that ``proxy`` or ``training`` reads.

    Raises DataError where one is missing.
    """
    recipe = getattr(getattr(parameters, section), task)
    found = []
    for key, file in spec_of(task).side_inputs(recipe).items():
        if not Path(file).is_file():
            raise DataError(
                f"{section}.{task}.{key} = {file!r}: there is no such file; give one that is there, or null"
            )
        found.append(Path(file))
    return found

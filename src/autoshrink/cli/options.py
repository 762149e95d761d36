"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from autoshrink import params
from autoshrink.params.base import Task
from autoshrink.runtime import numerics

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

task = click.option("--task", type=click.Choice([str(item) for item in Task]), required=True, help="Which search.")
search = click.option(
    "--search", required=True, metavar="STRATEGY-SEED", help="Which of its searches, such as shrink-0."
)

data = click.option(
    "--data", type=FOLDER, help="The prepared data set.  [default: where prepare puts the one that the parameters name]"
)


def parameters(command: Command) -> Command:
    """Add ``--params`` and ``--set``; the command receives ``files`` and ``settings`` for ``load``."""
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change one parameter, such as search.cnn.k=5. Can be given again.",
    )(command)
    return click.option(
        "--params",
        "files",
        multiple=True,
        type=FILE,
        default=("params.yaml",),
        show_default=True,
        help="Parameters; given again, an overlay over those before.",
    )(command)


def load(files: tuple[Path, ...], settings: tuple[str, ...]) -> params.Parameters:
    """Return the parameters that the options of ``parameters`` name, this process set to their numerics.

    Call it before anything that imports numpy or torch: libraries choose their kernels when they are loaded.
    """
    loaded = params.load(files, settings)
    numerics.apply(loaded.compute.numerics)
    return loaded


def final_data(command: Command) -> Command:
    """Add ``--final-data``."""
    return click.option(
        "--final-data",
        type=FOLDER,
        help="Within a budget: the final training's prepared data set.  [default: where prepare puts it]",
    )(command)


def out(what: str) -> Callable[[Command], Command]:
    """Add ``--out``."""
    return click.option("--out", type=click.Path(path_type=Path), required=True, help=f"Where to write {what}.")

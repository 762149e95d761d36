"""The cells that the paper's authors released, each with the network around it and its published numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.params.base import Section, Task
from autoshrink.params.sections import sections_of

KIND, VERSION = "released", 1


@dataclass(frozen=True)
class Released:
    """A released cell, its network and its published numbers (as printed; accuracies in [0, 1]).

    ``example`` says what the network takes: image ``channels``, ``height``, ``width`` and ``classes``, or the size of a
    ``vocabulary``.
    """

    name: str
    task: Task
    cell: Cell
    network: Section
    example: Mapping[str, int]
    published: Mapping[str, Any]
    source: str


def names() -> tuple[str, ...]:
    """Return the released cells' names, ascending."""
    return tuple(sorted(path.stem for path in _folder().glob("*.json")))


def load(name: str) -> Released:
    """Return the released cell called ``name``. Raises UserError where there is none of that name."""
    if name not in names():
        raise UserError(f"released cell {name!r}: is not known; accepted: {', '.join(names())}")
    content = artifacts.read_sealed(_folder() / f"{name}.json", KIND, VERSION)
    task = Task(content["task"])
    network = sections_of(task).training.model_fields["network"].annotation
    assert isinstance(network, type) and issubclass(network, Section)
    return Released(
        name,
        task,
        Cell.from_json(content["cell"]),
        network.model_validate(content["network"]),
        content["example"],
        content["published"],
        content["source"],
    )


def _folder() -> Path:
    with resources.as_file(resources.files(__name__)) as folder:
        return folder

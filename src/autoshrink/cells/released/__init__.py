"""Cells released by the authors of AutoShrink and SwiftNet, with their networks and published numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import ascii_lowercase

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.params.base import Section, Task
from autoshrink.params.sections import sections_of

KIND, VERSION = "released", 1


@dataclass(frozen=True)
class Released:
    """A released network: its cell, or its cells stage by stage, and its published numbers (as printed; accuracies in
    [0, 1]).

    ``example`` says what the network takes: image ``channels``, ``height``, ``width`` and ``classes``, or the size of a
    ``vocabulary``.
    """

    name: str
    task: Task
    cells: tuple[Cell, ...]
    """One for all stages, or one per stage."""
    network: Section
    example: Mapping[str, int]
    published: Mapping[str, float]
    source: str
    dataset: str | None
    """What the network classifies, where that is not its task's benchmark."""

    @property
    def cell(self) -> Cell:
        """The cell of all stages, or those of each stage as one."""
        return self.cells[0] if len(self.cells) == 1 else Cell.of_stages(self.cells)

    def quality(self, names: Iterable[str]) -> dict[str, float]:
        """Return those of the published numbers that have one of these names."""
        return {name: self.published[name] for name in names if name in self.published}

    @property
    def cell_names(self) -> tuple[str, ...]:
        """The cells' names: the network's own, or with a letter per stage, ``swiftnet-a``."""
        if len(self.cells) == 1:
            return (self.name,)
        return tuple(f"{self.name}-{letter}" for letter in ascii_lowercase[: len(self.cells)])


def names() -> tuple[str, ...]:
    """Return the released networks' names, ascending."""
    return tuple(sorted(path.stem for path in _folder().glob("*.json")))


def cells() -> dict[str, Cell]:
    """Return every released cell by its name, ascending."""
    found = [load(name) for name in names()]
    return {name: cell for item in found for name, cell in zip(item.cell_names, item.cells, strict=True)}


def load(name: str) -> Released:
    """Return the released network called ``name``. Raises UserError where there is none of that name."""
    if name not in names():
        raise UserError(f"released cell {name!r}: is not known; accepted: {', '.join(names())}")
    content = artifacts.read_sealed(_folder() / f"{name}.json", KIND, VERSION)
    task = Task(content["task"])
    network = sections_of(task).training.model_fields["network"].annotation
    assert isinstance(network, type) and issubclass(network, Section)
    return Released(
        name,
        task,
        tuple(map(Cell.from_json, content["cells"] if "cells" in content else [content["cell"]])),
        network.model_validate(content["network"]),
        content["example"],
        content["published"],
        content["source"],
        content.get("dataset"),
    )


def _folder() -> Path:
    with resources.as_file(resources.files(__name__)) as folder:
        return folder

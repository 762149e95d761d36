"""Proxy data and untrained proxy networks, loaded and built lazily."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells.cell import Cell
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


class Networks:
    """What candidates of one task are built from under these parameters; ``data`` is the prepared data set's folder."""

    def __init__(self, parameters: Parameters, task: Task, data: Path) -> None:
        self._parameters, self._data = parameters, data
        self._spec = spec_of(task)
        self._proxy = self._spec.proxy(parameters)

    @cached_property
    def drawn(self) -> Any:
        """The proxy's training and validation data, of the task's own type. Raises DataError or ArtifactError."""
        return self._spec.draw(self._spec.load(self._data), self._parameters)

    def build(self, cell: Cell) -> "tuple[nn.Module, list[Tensor]]":
        """Return the cell's proxy network and one example's input."""
        return self._spec.proxy_network(cell, self._proxy, self.drawn)

    def count(self, cell: Cell) -> dict[str, int]:
        """Return parameters and multiply-accumulates of the cell's proxy network, as its evaluation has them."""
        return self._spec.count_proxy(cell, self._proxy, self.drawn)

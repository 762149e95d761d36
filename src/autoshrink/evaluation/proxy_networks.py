"""Proxy data and untrained proxy networks, loaded and built lazily."""

import importlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells.cell import Cell
from autoshrink.params import Parameters
from autoshrink.params.base import Task

if TYPE_CHECKING:
    from torch import Tensor, nn


class Networks:
    """What candidates of one task are built from under these parameters; ``data`` is the prepared data set's folder."""

    def __init__(self, parameters: Parameters, task: Task, data: Path) -> None:
        self._parameters, self._task, self._data = parameters, task, data

    @cached_property
    def drawn(self) -> Any:
        """The proxy's training and validation data: the room's ``ProxyData``. Raises DataError or ArtifactError."""
        parameters = self._parameters
        name = "autoshrink.tasks.vision" if self._task is Task.CNN else "autoshrink.tasks.language"
        prepared = importlib.import_module(f"{name}.data").load(self._data)
        proxy = importlib.import_module(f"{name}.proxy")
        if self._task is Task.CNN:
            return proxy.draw(prepared, parameters.proxy.cnn, parameters.seed, parameters.paper_defects)
        return proxy.draw(prepared, parameters.proxy.rnn, parameters.seed)

    def build(self, cell: Cell) -> "tuple[nn.Module, list[Tensor]]":
        """Return the cell's proxy network and one example's input: an image, or a word and the state before it."""
        import torch

        if self._task is Task.CNN:
            from autoshrink.tasks.vision import network

            _, height, width, channels = self.drawn.train_images_NHWC.shape
            module = network.build(cell, self._parameters.proxy.cnn.network, channels, self.drawn.classes, seed=0)
            return module, [torch.zeros(1, channels, height, width)]
        from autoshrink.tasks.language import costs
        from autoshrink.tasks.language import network as language_network

        recipe = self._parameters.proxy.rnn.network
        model = language_network.build(cell, recipe, self.drawn.words, seed=0)
        return costs.Step(model), [torch.zeros(1, dtype=torch.long), torch.zeros(1, recipe.hidden)]

    def count(self, cell: Cell) -> dict[str, int]:
        """Return parameters and multiply-accumulates of the cell's proxy network, as its evaluation has them."""
        from autoshrink.costs import counting

        if self._task is Task.CNN:
            return counting.measure(*self.build(cell))
        from autoshrink.tasks.language import costs

        return costs.measure(cell, self._parameters.proxy.rnn.network, len(self.drawn.words))

"""Training a candidate on the proxy, and the final model.

Shapes: N rows, F features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.records.evaluation import TrialResult
from autoshrink.records.model import Origin
from autoshrink.runtime import seeds
from autoshrink.tasks import models
from autoshrink.training.events import EpochEnded, Progress

from . import network
from .data import PreparedTable
from .parameters import TabularProxy, TabularTraining
from .records import TableModel


@dataclass(frozen=True)
class ProxyRows:
    """The proxy's rows and labels, for training and validation."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    classes: int


def draw(data: PreparedTable, proxy: TabularProxy, seed: int) -> ProxyRows:
    """Split the training rows, by name from ``seed``. Raises DataError where none would be left to train on."""
    rows_NF, labels_N = (torch.from_numpy(array) for array in data.split("train"))
    order = seeds.shuffled(seed, "proxy/validation", range(len(labels_N)))
    held, rest = order[: proxy.validation_rows], order[proxy.validation_rows :]
    if not rest:
        raise DataError(f"proxy.tabular.validation_rows = {proxy.validation_rows}: leaves no row to train on")
    return ProxyRows((rows_NF[rest], labels_N[rest]), (rows_NF[held], labels_N[held]), len(data.manifest.classes))


class TabularTrial:
    """One candidate's training, a step an epoch."""

    def __init__(self, cell: Cell, proxy: TabularProxy, data: ProxyRows, seed: int) -> None:
        self._proxy, self._data = proxy, data
        self._history: list[dict[str, Any]] = []
        features = data.train[0].shape[1]
        self._module = network.build(cell, proxy.network, features, data.classes, seed)
        self._costs = counting.measure(self._module, [torch.zeros(1, features)])
        self._optimizer = torch.optim.Adam(self._module.parameters(), lr=proxy.training.learning_rate)

    @property
    def done(self) -> bool:
        """Whether all epochs were run."""
        return len(self._history) == self._proxy.training.epochs

    def run_epoch(self) -> dict[str, Any]:
        """Run a whole epoch and return its record."""
        for step in self.begin_epoch():
            self.run(step)
        return self.end_epoch()

    def begin_epoch(self) -> list[tuple[str, int]]:
        """Return the epoch's only step."""
        return [("train", len(self._data.train[1]))]

    def run(self, step: tuple[str, int]) -> None:
        """Take one step on all rows."""
        rows_NF, labels_N = self._data.train
        self._loss = nn.functional.cross_entropy(self._module(rows_NF), labels_N)
        self._optimizer.zero_grad()
        self._loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def end_epoch(self) -> dict[str, Any]:
        """Validate and return the epoch's record."""
        loss, error = evaluate(self._module, *self._data.validation)
        self._history.append(
            {
                "epoch": len(self._history),
                "train_loss": float(self._loss),
                "validation_loss": loss,
                "validation_error": error,
            }
        )
        return self._history[-1]

    def result(self) -> TrialResult:
        """Return what the candidate came to."""
        best = min(range(len(self._history)), key=lambda epoch: self._history[epoch]["validation_error"])
        record = self._history[best]
        metrics = {"error": record["validation_error"], "loss": record["validation_loss"], "best_epoch": best}
        return TrialResult(metrics=metrics, history=tuple(self._history), stopped=None, costs=self._costs)


def train(
    cell: Cell,
    recipe: TabularTraining,
    data: PreparedTable,
    folder: Path,
    seed: int,
    progress: Progress,
) -> None:
    """Train the final model and write model.safetensors, model.json and history.json into ``folder``."""
    rows_NF, labels_N = (torch.from_numpy(array) for array in data.split("train"))
    classes = data.manifest.classes
    module = network.build(cell, recipe.network, rows_NF.shape[1], len(classes), seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    history = []
    for epoch in range(recipe.epochs):
        for chosen_B in torch.arange(len(labels_N)).split(recipe.batch_size):
            loss = nn.functional.cross_entropy(module(rows_NF[chosen_B]), labels_N[chosen_B])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        history.append({"epoch": epoch, "train_loss": float(loss)})
        progress(EpochEnded(history[-1], (epoch + 1) / recipe.epochs))
    origin = Origin(
        dataset=data.name,
        dataset_digest=data.digest,
        source=data.manifest.source,
        seed=seed,
        recipe=recipe.model_dump(mode="json"),
    )
    description = TableModel(
        task=Task("tabular"),
        cell=cell,
        network=recipe.network,
        origin=origin,
        features=data.manifest.features,
        classes=classes,
    )
    models.save(folder, module.state_dict(), description)
    content = {"task": "tabular", "epochs": history, "chosen_epoch": recipe.epochs - 1}
    artifacts.write_sealed(folder / "history.json", "history", 1, content)


def load_model(folder: Path) -> network.DenseNetwork:
    """Return the trained model in evaluation mode."""
    found = TableModel.of(folder)
    module = network.DenseNetwork(found.cell, found.network, found.features, len(found.classes))
    module.load_state_dict(models.weights(folder, found))
    return module.eval()


@torch.no_grad()
def evaluate(module: nn.Module, rows_NF: Tensor, labels_N: Tensor) -> tuple[float, float]:
    """Return the loss, nats, and the share of wrong answers."""
    logits = module(rows_NF)
    wrong = (logits.argmax(1) != labels_N).float().mean()
    return float(nn.functional.cross_entropy(logits, labels_N)), float(wrong)

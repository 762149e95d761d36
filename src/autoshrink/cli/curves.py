"""Write a training's curves for TensorBoard, next to its log. They are not an artifact: no step reads them."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from autoshrink.lineage import graph, records
from autoshrink.records import curves
from autoshrink.training.events import EpochEnded, Resumed, TrainingEvent

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def folder_of(model: Path) -> Path:
    """Return where a model's curves go: results/logs/cnn/shrink-0/tensorboard for results/cnn/shrink-0/model.

    Of a model that lies in no run: logs/tensorboard inside its own folder.
    """
    model.mkdir(parents=True, exist_ok=True)
    run = graph.run_of(model)
    return run / "logs" / records.absolute(model).relative_to(run).parent / "tensorboard"


class Curves:
    """Writes a training's metrics per epoch as event files; warns once if TensorBoard is not installed.

    A resumed training appends to its curves; a restarted one replaces them. Which files are its own stands in a list
    beside them; others are left alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._is_open = False

    def __enter__(self) -> "Curves":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer:
            self._writer.close()

    def add(self, event: TrainingEvent) -> None:
        """Add an epoch's numbers; a resumed training appends to its earlier curves."""
        if not self._is_open:
            self._open(event.epoch if isinstance(event, Resumed) else None)
        if self._writer and isinstance(event, EpochEnded):
            for key, value in event.entry.items():
                if isinstance(value, float):
                    self._writer.add_scalar(key, value, event.epoch + 1)
            self._writer.flush()

    def _open(self, epochs_done: int | None) -> None:
        self._is_open = True
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            click.echo("TensorBoard is not installed: no curves are written for it", err=True)
            return
        if epochs_done is None:
            for old in curves.written(self.folder):
                old.unlink(missing_ok=True)
        # epochs after the checkpoint come again: TensorBoard is to forget those of before
        purged = None if epochs_done is None else epochs_done + 1
        before = {*self.folder.glob("*")}
        self._writer = SummaryWriter(str(self.folder), purge_step=purged)
        curves.add(self.folder, {*self.folder.glob("*")} - before)

"""The final training, epoch by epoch."""

from typing import ClassVar

from autoshrink.records.evaluation import History
from autoshrink.records.record import Count, SealedRecord, TaskName


class TrainingHistory(SealedRecord):
    """The epochs of a final training, and which one's weights were kept."""

    KIND: ClassVar = "history"

    task: TaskName
    epochs: History
    chosen_epoch: Count | None

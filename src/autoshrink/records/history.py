"""History of a final training, by epoch."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from autoshrink.records.evaluation import History
from autoshrink.records.record import Count, Many, Numbers, Record, SealedRecord, TaskName


class GrowthEntry(Record):
    """One growth of a network."""

    epoch: Count
    """The first epoch after it, from 0."""
    quota: Count
    """Most neurons that it might add."""
    new: Count
    """New neurons added ..."""
    split: Count
    """... and neurons split in two."""
    layers: Annotated[Count, Field(exclude_if=lambda count: not count)] = 0
    """Residual layers added, each as many neurons of the quota as it has filters."""
    gate: Annotated[float, Field(ge=0, le=1)]
    """The size they were installed at; 0 where none was."""
    predicted_gain: float
    """By how much they were predicted to lower the training loss, nats ..."""
    gain: float
    """... and by how much they did, on other training images."""
    widths: Mapping[str, int]
    """Filters of each node that can grow, after it."""
    residual_layers: Annotated[Mapping[str, Many[str]], Field(exclude_if=lambda layers: not layers)] = {}
    """The residual layers' operators by cell, after it."""
    costs: Numbers
    """Of the network after it, what the budget counts."""


class TrainingHistory(SealedRecord):
    """The epochs of a final training, and which one's weights were kept."""

    KIND: ClassVar = "history"

    task: TaskName
    epochs: History
    chosen_epoch: Count | None
    growths: Annotated[Many[GrowthEntry], Field(exclude_if=lambda growths: not growths)] = ()
    """Growths of the network, in order; none where it does not grow."""

"""When to stop training a candidate (paper, section 5.1): pure functions of its history, torch-free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoshrink.params.vision import ImageEarlyStop


@dataclass
class MovingAverage:
    """An exponential moving average that starts at its first value.

    It does not start at zero: the moving training loss would then be far too small in the first epochs, and every
    candidate would be stopped for a validation loss many times as large.
    """

    momentum: float
    value: float | None = None

    def update(self, value: float) -> float:
        """Take in the next value and return the average."""
        self.value = value if self.value is None else self.momentum * self.value + (1 - self.momentum) * value
        return self.value


def ends_epoch(moving_accuracy: float, rules: ImageEarlyStop) -> bool:
    """Whether the epoch under way ends now: the candidate has learnt its training images."""
    return moving_accuracy > rules.train_accuracy_ceiling


def is_finite(record: Mapping[str, Any]) -> bool:
    """Whether an epoch's losses are numbers; None and NaN stand for a diverged one."""
    losses = (record["train_loss"], record["validation_loss"])
    return all(loss is not None and math.isfinite(loss) for loss in losses)


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the first epoch of the highest validation accuracy among the finite ones, or None."""
    epochs = [epoch for epoch, record in enumerate(history) if is_finite(record)]
    return max(epochs, key=lambda epoch: (history[epoch]["validation_accuracy"], -epoch), default=None)


def reason(history: Sequence[Mapping[str, Any]], rules: ImageEarlyStop) -> str | None:
    """Return why training stops after the last epoch of ``history``, or None where it goes on.

    An epoch's record has ``validation_accuracy``, ``validation_loss`` and ``train_loss`` (the moving average). Reasons:
    ``not finite``, ``loss ratio``, ``below floor``, ``patience``.
    """
    epoch, last = len(history) - 1, history[-1]
    best = best_epoch(history)
    if best is None or not is_finite(last):
        return "not finite"
    if last["validation_loss"] > rules.loss_ratio * last["train_loss"]:
        return "loss ratio"
    if epoch == rules.floor_epoch and last["validation_accuracy"] < rules.floor_accuracy:
        return "below floor"
    if epoch - best >= rules.patience:
        return "patience"
    return None

"""When to stop training a candidate (paper, section 5.1): pure functions of its history, torch-free."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autoshrink.params.language import LanguageEarlyStop

DIVERGED = "diverged"


def is_finite(record: Mapping[str, Any]) -> bool:
    """Whether an epoch's losses are numbers; None and NaN stand for a diverged one."""
    losses = (record["train_loss"], record["validation_loss"])
    return all(loss is not None and math.isfinite(loss) for loss in losses)


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the first epoch of the lowest validation loss among the finite ones, or None."""
    epochs = [epoch for epoch, record in enumerate(history) if is_finite(record)]
    return min(epochs, key=lambda epoch: (history[epoch]["validation_loss"], epoch), default=None)


def reason(history: Sequence[Mapping[str, Any]], rules: LanguageEarlyStop) -> str | None:
    """Return why training stops after the last epoch of ``history``, or None where it goes on.

    An epoch's record has ``validation_loss`` and ``train_loss``. Reasons: ``diverged``, ``loss ratio``, ``patience``.
    """
    epoch, last = len(history) - 1, history[-1]
    best = best_epoch(history)
    if best is None or not is_finite(last):
        return DIVERGED
    if last["validation_loss"] > rules.loss_ratio * last["train_loss"]:
        return "loss ratio"
    if epoch - best >= rules.patience:
        return "patience"
    return None

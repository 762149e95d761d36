"""Early stopping of a candidate (paper, section 5.1), a pure function of its history. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoshrink.params.vision import ImageEarlyStop
from autoshrink.training.history import best_epoch, is_finite


def reason(history: Sequence[Mapping[str, Any]], rules: ImageEarlyStop) -> str | None:
    """Return why training stops after the last epoch of ``history``, or None where it goes on.

    An epoch's record has ``validation_accuracy``, ``validation_loss`` and ``train_loss`` (the moving average). Reasons:
    ``not finite``, ``loss ratio``, ``below floor``, ``patience``.
    """
    epoch, last = len(history) - 1, history[-1]
    best = best_epoch(history, "validation_accuracy", "max")
    if best is None or not is_finite(last):
        return "not finite"
    if last["validation_loss"] > rules.loss_ratio * last["train_loss"]:
        return "loss ratio"
    if epoch == rules.floor_epoch and last["validation_accuracy"] < rules.floor_accuracy:
        return "below floor"
    if epoch - best >= rules.patience:
        return "patience"
    return None

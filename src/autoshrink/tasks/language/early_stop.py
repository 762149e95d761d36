"""Early stopping of a candidate (paper, section 5.1), a pure function of its history. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoshrink.params.language import LanguageEarlyStop
from autoshrink.training.history import best_epoch, is_finite

DIVERGED = "diverged"


def reason(history: Sequence[Mapping[str, Any]], rules: LanguageEarlyStop) -> str | None:
    """Return why training stops after the last epoch of ``history``, or None where it goes on.

    An epoch's record has ``validation_loss``, ``train_loss`` and ``moving_train_loss``.
    Reasons: ``diverged``, ``loss ratio``, ``patience``.
    """
    epoch, last = len(history) - 1, history[-1]
    best = best_epoch(history, "validation_loss", "min")
    if best is None or not is_finite(last):
        return DIVERGED
    if last["validation_loss"] > rules.loss_ratio * last["moving_train_loss"]:
        return "loss ratio"
    if epoch - best >= rules.patience:
        return "patience"
    return None

"""Queries on a training's per-epoch records: divergence and best epoch. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Record = Mapping[str, Any]
Direction = Literal["min", "max"]


def finite(value: float) -> float | None:
    """Return ``value``, or None for infinity and NaN, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def is_finite(record: Record) -> bool:
    """Whether an epoch's losses are numbers; None and NaN stand for a diverged epoch."""
    losses = (record["train_loss"], record["validation_loss"])
    return all(loss is not None and math.isfinite(loss) for loss in losses)


def best_epoch(history: Sequence[Record], quality: str, direction: Direction) -> int | None:
    """Return the first epoch whose ``quality`` is the best of the finite epochs, or None."""
    epochs = [epoch for epoch, record in enumerate(history) if is_finite(record)]
    sign = 1 if direction == "max" else -1
    return max(epochs, key=lambda epoch: (sign * history[epoch][quality], -epoch), default=None)

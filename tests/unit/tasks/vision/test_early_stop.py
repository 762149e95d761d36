from typing import Any

import pytest

from autoshrink.params.vision import ImageEarlyStop
from autoshrink.tasks.vision import early_stop

RULES = ImageEarlyStop()


def history(
    *accuracies: float, validation_loss: float | None = 1.0, train_loss: float | None = 1.0
) -> list[dict[str, Any]]:
    return [
        {"validation_accuracy": accuracy, "validation_loss": validation_loss, "train_loss": train_loss}
        for accuracy in accuracies
    ]


@pytest.mark.parametrize(
    ("epochs", "why"),
    [
        (history(0.5), None),
        (history(0.1, 0.1, 0.1), None),  # the floor is looked at once, at the end of epoch index 3
        (history(0.1, 0.1, 0.1, 0.19), "below floor"),
        (history(0.1, 0.1, 0.1, 0.2), None),
        (history(0.3, 0.2, 0.2, 0.2, 0.2), None),  # 4 epochs without a new best
        (history(0.3, 0.2, 0.2, 0.2, 0.2, 0.2), "patience"),
        (history(0.3, 0.2, 0.2, 0.2, 0.2, 0.3), "patience"),  # as good as the best is no new best
        (history(0.3, 0.2, 0.2, 0.2, 0.2, 0.31), None),
        (history(0.3, validation_loss=3.0), None),
        (history(0.3, validation_loss=3.01), "loss ratio"),
        (history(0.3, validation_loss=None), "not finite"),
        (history(0.3, train_loss=float("nan")), "not finite"),
    ],
)
def test_reason_on_given_histories(epochs: list[dict[str, Any]], why: str | None) -> None:
    """Each rule of the paper stops exactly where it says, and not an epoch earlier."""
    assert early_stop.reason(epochs, RULES) == why


def test_the_floor_is_not_looked_at_later() -> None:
    """A candidate that passed the floor at its epoch may fall below it afterwards."""
    assert early_stop.reason(history(0.3, 0.3, 0.3, 0.3, 0.1), RULES) is None

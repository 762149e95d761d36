"""When a candidate is given up, on given histories."""

from typing import Any

import pytest

from autoshrink.params.language import LanguageEarlyStop
from autoshrink.tasks.language import early_stop

RULES = LanguageEarlyStop(patience=2, loss_ratio=3.0)


def history(validation: list[float | None], train: float | None = 5.0) -> list[dict[str, Any]]:
    """Return a history with these validation losses."""
    return [{"validation_loss": loss, "train_loss": train, "moving_train_loss": train} for loss in validation]


@pytest.mark.parametrize(
    ("validation", "train", "reason"),
    [
        ([5.0], 5.0, None),
        ([5.0, 4.0, 4.5], 5.0, None),
        ([5.0, 4.0, 4.0, 4.0], 5.0, "patience"),
        ([5.0, 4.0, 4.5, 3.9], 5.0, None),
        ([6.1], 2.0, "loss ratio"),
        ([6.0], 2.0, None),
        ([5.0, None], 5.0, "diverged"),
        ([float("nan")], 5.0, "diverged"),
        ([5.0], None, "diverged"),
        ([5.0], float("inf"), "diverged"),
    ],
)
def test_rules_on_given_histories(validation: list[float | None], train: float | None, reason: str | None) -> None:
    """Each rule stops exactly when it says."""
    assert early_stop.reason(history(validation, train), RULES) == reason

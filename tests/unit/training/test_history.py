"""Finite and diverged epochs, and the best of them."""

from typing import Any

import pytest

from autoshrink.training.history import best_epoch, finite, is_finite


def history(*losses: float | None) -> list[dict[str, Any]]:
    """Return a history with these validation losses; an epoch's accuracy is its loss."""
    return [{"train_loss": 1.0, "validation_loss": loss, "validation_accuracy": loss} for loss in losses]


def test_the_best_epoch_is_the_first_best_of_the_finite_ones() -> None:
    """Ties go to the earlier epoch, in either direction."""
    epochs = history(None, 4.0, 3.0, 3.0, 4.0, float("nan"))
    assert best_epoch(epochs, "validation_loss", "min") == 2
    assert best_epoch(epochs, "validation_accuracy", "max") == 1
    assert best_epoch(history(None), "validation_loss", "min") is None


def test_a_diverged_epoch_is_never_best_however_high_its_accuracy() -> None:
    """Accuracy is a number even where the loss is none."""
    diverged = {"train_loss": 1.0, "validation_loss": None, "validation_accuracy": 0.9}
    assert best_epoch([*history(0.2), diverged], "validation_accuracy", "max") == 0


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_not_finite(loss: float | None) -> None:
    """Either loss decides; JSON gets None."""
    assert not is_finite({"train_loss": loss, "validation_loss": 1.0})
    assert not is_finite({"train_loss": 1.0, "validation_loss": loss})
    assert loss is None or finite(loss) is None

"""The learning rate's decay and the switch to averaging, on given numbers."""

import numpy as np
import pytest

from autoshrink.tasks.language import schedule


def test_the_rate_falls_at_the_papers_epochs() -> None:
    """Ten epochs with decays at E-4 and E-2: full until epoch 5, a tenth in 6 and 7, a hundredth after."""
    rates = [schedule.learning_rate(20.0, epoch, 10, [4, 2], 10.0) for epoch in range(10)]
    assert rates == pytest.approx([20.0] * 6 + [2.0] * 2 + [0.2] * 2)


def test_decays_before_the_first_epoch_do_nothing() -> None:
    """A training shorter than the distance to a decay does not start at a lowered rate."""
    assert schedule.learning_rate(20.0, 0, 3, [4, 2], 10.0) == 20.0
    assert schedule.learning_rate(20.0, 1, 3, [4, 2], 10.0) == 2.0


def plain_switch_epoch(losses: list[float], patience: int) -> int | None:
    """Return the epoch after which averaging starts, as the published training loop does it, step by step."""
    earlier: list[float] = []
    for epoch, loss in enumerate(losses):
        if len(earlier) > patience and loss > np.min(earlier[: len(earlier) - patience]):
            return epoch
        earlier.append(loss)
    return None


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("name", range(6))
def test_averaging_starts_by_the_non_monotone_rule(patience: int, name: int) -> None:
    """On random histories the rule fires at the very epoch of its plain re-statement."""
    losses = np.random.default_rng(name).normal(np.linspace(6, 4, 20), 0.4).tolist()
    fired = [epoch for epoch in range(20) if schedule.starts_averaging(losses[:epoch], losses[epoch], patience)]
    assert (fired[0] if fired else None) == plain_switch_epoch(losses, patience)


def test_averaging_waits_while_the_loss_falls() -> None:
    """A history that always improves never starts it, one that rises does as soon as enough epochs are old enough."""
    falling = [6.0, 5.0, 4.0, 3.0, 2.0]
    assert not any(schedule.starts_averaging(falling[:epoch], falling[epoch], 1) for epoch in range(5))
    assert not schedule.starts_averaging([4.0], 5.0, 1)
    assert schedule.starts_averaging([4.0, 5.0], 4.1, 1)

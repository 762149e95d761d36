"""Step time of two real processes of unlike speed. It needs a machine with nothing else to do."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.test_shares import RECIPE, prepared, train

__all__ = ["prepared"]  # a fixture


@pytest.mark.slow
def test_planned_shares_beat_equal_ones_where_a_process_is_half_as_fast(prepared: Path, tmp_path: Path) -> None:
    """Measured step time of real processes: balanced shares find two to one and take about two thirds of the time."""
    slow = 0.15  # seconds for each example, half of it in the faster process: far above what computing takes
    ways = {"equal": None, "given": [2 / 3, 1 / 3], "balanced": "balanced"}
    short = {**RECIPE, "epochs": 1, "validation_per_class": 0}
    steps = train(prepared, tmp_path, {name: {**short, "shares": wanted} for name, wanted in ways.items()}, 2, slow)
    medians = {name: float(np.median(taken)) for name, taken in steps.items()}
    print(f"seconds a step: {medians}")
    assert medians["given"] < 0.85 * medians["equal"]
    assert medians["balanced"] < 0.85 * medians["equal"]

"""The plain loops that benchmarks compare the engine with train the same networks: in double precision they agree."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from autoshrink.evaluation import lanes
from benchmarks import plain
from tests.device import DEVICE
from tests.unit.evaluation.small_candidates import Make, image_candidates, text_candidates


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def alone(make: Make) -> Any:
    """Return a candidate's history."""
    return next(item.result for item in lanes.in_turn([(0, make)]) if item.result).history


@pytest.mark.parametrize("ceiling", [0.98, 0.3])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_image_candidates_equal_the_plain_loop(number: int, ceiling: float) -> None:
    """Every number of every epoch agrees, with and without epochs that end early."""
    make: Any = image_candidates(ceiling)[number]
    cell, settings, data, seed, *_ = make.args
    expected = plain.train_images(cell, settings, data, seed, DEVICE)
    assert list(alone(make)) == [pytest.approx(entry, rel=1e-5) for entry in expected]


@pytest.mark.parametrize("number", [0, 1])
def test_text_candidates_equal_the_plain_loop(number: int) -> None:
    """Every number of every epoch agrees."""
    make: Any = text_candidates()[number]
    cell, settings, data, seed, *_ = make.args
    expected = plain.train_text(cell, settings, data, seed, DEVICE)
    assert list(alone(make)) == [pytest.approx(entry, rel=1e-6) for entry in expected]

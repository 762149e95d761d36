"""How well the proxy ranks cells: which cells, and what is made of their numbers."""

import pytest

from autoshrink.errors import UserError
from autoshrink.params.base import Task
from autoshrink.records.proxy_quality import JudgedCell, ProxyQuality
from autoshrink.study import proxy_quality
from tests.unit.search.search_runs import fraction, parameters


def judged(number: int, qualities: tuple[float | None, ...], final: float | None) -> JudgedCell:
    """Return a cell with these numbers."""
    return JudgedCell(key=f"cell {number}", edges=1, qualities=qualities, score=number / 100, final=final, costs={})


def test_cells_are_random_distinct_and_reproducible() -> None:
    """Twenty different cells, the same again for the same seed, others for another; more than there are is a
    mistake."""
    found = [cell.key for cell in proxy_quality.cells(parameters(), Task.CNN, 20)]
    assert len(set(found)) == 20
    assert found == [cell.key for cell in proxy_quality.cells(parameters(), Task.CNN, 20)]
    assert found != [cell.key for cell in proxy_quality.cells(parameters({"seed": 7}), Task.CNN, 20)]
    small = parameters({"search": {"cnn": {"nodes": 2}}})
    with pytest.raises(UserError, match=r"--cells 20: search.cnn.nodes = 2 has hardly more than 2 different cells"):
        proxy_quality.cells(small, Task.CNN, 20)


def test_agreement_counts_better_as_better() -> None:
    """A proxy in the order of the final quality has tau 1, also where less is better; the reverse has -1."""
    rising = [judged(number, (float(number), float(number)), 10.0 + number) for number in range(12)]
    one, mean, score = proxy_quality.agreements(rising, True, 0.95, 0)
    assert [item.kendall.value for item in (one, mean, score)] == pytest.approx([1.0, 1.0, 1.0])
    assert mean.name == "the mean of 2 evaluations"
    falling = proxy_quality.agreements(rising, False, 0.95, 0)
    assert falling[0].spearman.value == pytest.approx(1.0)
    assert falling[2].spearman.value == pytest.approx(-1.0)  # of scores more is better in every task


def test_intervals_hold_the_value_and_are_reproducible() -> None:
    """A noisy proxy's interval lies around its correlation and reaches neither end."""
    noisy = [judged(number, (number + 6 * fraction(str(number)),), float(number)) for number in range(20)]
    (found, _), (again, _) = (proxy_quality.agreements(noisy, True, 0.9, 3) for _ in range(2))
    for item in (found.kendall, found.spearman):
        assert 0 < item.low < item.value < item.high <= 1
    assert found == again
    wider, _ = proxy_quality.agreements(noisy, True, 0.99, 3)
    assert wider.kendall.low < found.kendall.low


def test_too_few_finite_cells_are_told() -> None:
    """Diverged trainings are left out, and what is left must be enough."""
    found = [judged(number, (None if number < 3 else 0.1 * number,), 0.5) for number in range(12)]
    with pytest.raises(UserError, match="only 9 of 12 cells have finite proxy and final qualities; accepted: 10 or"):
        proxy_quality.agreements(found, True, 0.95, 0)
    with pytest.raises(UserError, match="all cells have the same quality"):
        proxy_quality.agreements([judged(number, (0.1 * number,), 0.5) for number in range(12)], True, 0.95, 0)


def result() -> ProxyQuality:
    """Return a measurement of ten cells, one evaluation each."""
    cells = tuple(judged(number, (0.1 + number / 100,), 0.2 + number / 50) for number in range(10))
    return ProxyQuality(
        task=Task.CNN,
        metric="accuracy",
        seed=0,
        proxy={},
        training={},
        confidence=0.95,
        deviation=None,
        agreements=tuple(proxy_quality.agreements(cells, True, 0.95, 0)),
        cells=cells,
    )


def test_the_table_names_every_cell_and_ranking() -> None:
    """The record as Markdown has a row per ranking and per cell."""
    text = proxy_quality.to_markdown(result())
    assert "10 random cells" in text and "unknown (one evaluation each)" in text
    assert text.count("\n| cell ") == 11 and "| one evaluation" in text

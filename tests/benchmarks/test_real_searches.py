"""Strategies by real training: what is told of the rows, and whose file they go into."""

from pathlib import Path

import click
import pytest

from benchmarks import real_searches
from benchmarks.real_searches import COLUMNS, Row


def row(strategy: str, seed: int, quality: float) -> Row:
    return {**dict.fromkeys(COLUMNS, 1), "strategy": strategy, "seed": seed, "quality": quality}


def test_every_strategy_that_was_run_is_told() -> None:
    """Against random search where that was run on the same seeds, and else alone."""
    mine = [row("firefly", 0, 0.8), row("firefly", 1, 0.9)]
    assert real_searches.told(mine) == ["firefly: 85.00 % over 2 seeds"]
    random, firefly = real_searches.told([row("random", 0, 0.7), row("random", 1, 0.81), *mine])
    assert random == "random: 75.50 % over 2 seeds"
    assert firefly.startswith("firefly: 85.00 % over 2 seeds, +9.50 points from random (")
    assert "better in 2, worse in 0" in firefly


def test_rows_are_appended_once_and_no_other_file_is_touched(tmp_path: Path) -> None:
    """The same command may be given again; what is no table of this benchmark stays as it is."""
    path = tmp_path / "rows.csv"
    for _ in range(2):
        real_searches.add(path, row("random", 0, 0.5))
        real_searches.add(path, row("random", 1, 0.6))
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(click.ClickException, match="another result of random, seed 1"):
        real_searches.add(path, row("random", 1, 0.7))
    path.write_text("mine\n")
    with pytest.raises(click.ClickException, match="no table of this benchmark"):
        real_searches.add(path, row("random", 2, 0.5))
    assert path.read_text() == "mine\n"

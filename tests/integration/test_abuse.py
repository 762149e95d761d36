"""The abuse report's trials, a few of each kind: they find nothing, and they can find something."""

from pathlib import Path

import pytest

from tests.abuse import damage, mistakes, tampering
from tests.abuse.__main__ import page
from tests.abuse.trial import Outcome, Tally


@pytest.mark.slow
def test_damage_and_tampering_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few flips and cuts, and every structural tampering, are named; nothing of the user's changes."""
    monkeypatch.setattr(damage, "COUNT", 6)
    monkeypatch.chdir(tmp_path)
    tallies = [*damage.trials(tmp_path / "damage", 7), *tampering.trials(tmp_path / "tampering", 7)]
    assert [line for tally in tallies for line in tally.wrong] == []
    assert tallies[-1].count >= 50


@pytest.mark.slow
def test_mistakes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred bad inputs and more end in status 2 and a line, and leave no file."""
    monkeypatch.chdir(tmp_path)
    tallies = mistakes.trials(tmp_path / "mistakes", 7)
    assert [line for tally in tallies for line in tally.wrong] == []
    assert sum(tally.count for tally in tallies) >= 300


def test_what_goes_wrong_is_told() -> None:
    """A traceback, too much time or memory, and a complaint stand on the page."""
    tally = Tally("trials", "nothing")
    for outcome in (
        Outcome(1, "Traceback (most recent call last)", 0.1, 10),
        Outcome(None, "", 20.0, 10),
        Outcome(0, "", 0.1, 2000),
        Outcome(0, "", 0.1, 10),
    ):
        tally.add("a", outcome)
    assert [line.partition(": ")[2] for line in tally.wrong] == ["ended in a traceback", "took 20.0 s", "took 2000 MB"]
    assert "ended in a traceback" in page([tally], 1, 60.0) and "1 of 4" in page([tally], 1, 60.0)

"""The abuse report's trials, a few of each kind: they find nothing, and they can find something."""

from pathlib import Path

import pytest

from tests.abuse import damage, mistakes, tampering
from tests.abuse.__main__ import page
from tests.abuse.trial import Ledger, Outcome, Tally


@pytest.mark.slow
def test_damage_and_tampering_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few flips and cuts, and every structural tampering, are named; nothing of the user's changes."""
    monkeypatch.setattr(damage, "COUNT", 6)
    monkeypatch.chdir(tmp_path)
    tallies = [
        *damage.trials(tmp_path / "damage", 7, Ledger()),
        *tampering.trials(tmp_path / "tampering", 7, Ledger()),
    ]
    assert [line for tally in tallies for line in tally.wrong] == []
    assert tallies[-1].count >= 50


@pytest.mark.slow
def test_mistakes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred bad inputs and more end in status 2 and a line, and leave no file."""
    monkeypatch.chdir(tmp_path)
    tallies = mistakes.trials(tmp_path / "mistakes", 7, Ledger())
    assert [line for tally in tallies for line in tally.wrong] == []
    assert sum(tally.count for tally in tallies) >= 300


def test_what_goes_wrong_is_told() -> None:
    """A traceback, too much time or memory, and a complaint stand on the page."""
    tally = Tally("trials", "nothing")
    for outcome in (
        Outcome(1, "Traceback (most recent call last)", 0.1, 10),
        Outcome(None, "", 0.1, 10, 60.0),
        Outcome(0, "", 20.0, 10),
        Outcome(0, "", 0.1, 2000),
        Outcome(0, "", 0.1, 10),
    ):
        tally.add("a", outcome)
    assert [line.partition(": ")[2] for line in tally.wrong] == [
        "ended in a traceback",
        "had to be stopped after 60 s",
        "took 20.0 s",
        "took 2000 MB",
    ]
    assert "ended in a traceback" in page([tally], 1, "c0de") and "1 of 5" in page([tally], 1, "c0de")


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """A trial that the ledger has is counted and not made again, also where a kill has cut the last line short."""
    path = tmp_path / "ledger.jsonl"
    Tally("trials", "nothing", Ledger(path)).add("a", Outcome(0, "", 3.0, 10), "is wrong")
    with path.open("a") as file:
        file.write('{"kind": "trials", "na')
    again = Tally("trials", "nothing", Ledger(path))
    assert again.has("a") and not again.has("b")
    assert (again.count, again.seconds, again.wrong) == (1, 3.0, ["a: is wrong"])

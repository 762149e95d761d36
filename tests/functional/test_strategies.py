"""Other strategies through the whole workflow: one from outside the package, a study of several, and an impossible
limit."""

from pathlib import Path

import pytest

from autoshrink.files import artifacts
from autoshrink.records.round import Round
from tests.functional.smoke_run import RESULTS, Folder

OUTSIDE = '''
"""A strategy that another package might bring: ever longer chains."""

from autoshrink.cells.cell import Cell
from autoshrink.search.space import draw_operators
from autoshrink.search.strategy import ProposedCell, Selection, State


class Chains:
    def __init__(self, search, operators, options):
        self.search, self.operators, self.longest = search, operators, options["longest"]

    def slots(self):
        return [1] * self.longest

    def start(self, draws):
        return State(Cell.complete(draw_operators(self.search, self.operators, draws)))

    def propose(self, state, round_number, draws):
        operators = draw_operators(self.search, self.operators, draws)[:round_number]
        chain = Cell.of(operators, [(node, node + 1) for node in range(round_number)])
        return [ProposedCell(chain, f"a chain of {round_number}")]

    def select(self, state, round_number, scored, draws):
        return Selection(State(scored[0].candidate.cell), 0)
'''


def test_a_strategy_of_another_package(finished: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package's entry point is named in the parameters and searches through Snakemake like any other."""
    packages = tmp_path / "packages"
    (packages / "outside-1.0.dist-info").mkdir(parents=True)
    (packages / "outside.py").write_text(OUTSIDE)
    (packages / "outside-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (packages / "outside-1.0.dist-info" / "entry_points.txt").write_text(
        "[autoshrink.strategies]\nchains = outside:Chains\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(packages))
    folder = finished.copied(tmp_path / "copy").overlaid(
        "search: {cnn: {strategy: mine}, "
        "strategies: {mine: {kind: outside, entry_point: chains, options: {longest: 2}}}}"
    )
    done = folder.run(f"{RESULTS}/cnn/mine-0/best.json")
    assert done.returncode == 0, done.stderr
    cells = [
        Round.read(path).state.cell
        for path in sorted((folder.path / RESULTS / "cnn" / "mine-0").glob("round-*/round.json"))[1:]
    ]
    assert [cell.edges for cell in cells] == [((0, 1),), ((0, 1), (1, 2))]
    monkeypatch.delenv("PYTHONPATH")
    without = folder.run(f"{RESULTS}/cnn/mine-0/round-02/proposal.json", "--forcerun", "propose")
    assert without.returncode != 0
    assert "no installed package offers the strategy 'chains'" in without.stderr


def test_a_study(finished: Folder, tmp_path: Path) -> None:
    """One target runs every strategy with every seed and compares them; evaluations are shared through the store."""
    folder = finished.copied(tmp_path / "copy").overlaid(
        "{tasks: [cnn], study: {strategies: [shrink, random], seeds: [0, 1], budgets: [1.0]}}"
    )
    done = folder.run("study")
    assert done.returncode == 0, done.stderr
    place = folder.path / RESULTS / "study" / "cnn"
    comparison = artifacts.read_sealed(place / "study.json", "study", 1)
    assert [strategy["name"] for strategy in comparison["strategies"]] == ["shrink", "random"]
    assert [strategy["seeds"] for strategy in comparison["strategies"]] == [[0, 1], [0, 1]]
    assert "random" in (place / "study.md").read_text()
    assert "re-used" in folder.log("cnn/random-1/round-01/evaluate-0.log")
    assert "<svg" in (place / "index.html").read_text()


def test_an_impossible_limit_stops_before_training(finished: Folder, tmp_path: Path) -> None:
    """A limit that no cell can meet ends the run in one line, with nothing trained."""
    folder = finished.copied(tmp_path / "copy").overlaid("search: {seeds: [7], cnn: {objective: {max_macs: 1}}}")
    done = folder.run(f"{RESULTS}/cnn/shrink-7/best.json")
    assert done.returncode != 0
    assert "search.cnn.objective.max_macs = 1: even the cheapest cell, " in done.stderr
    assert not list((folder.path / RESULTS / "cnn" / "shrink-7").rglob("evaluations-*.json"))

"""Where a search stands, in words."""

from pathlib import Path

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.records.evaluation import Evaluation
from autoshrink.search import rounds
from autoshrink.workflow import status
from tests.unit.search.search_runs import evaluation, parameters, run

SHRINK = rounds.SearchName(Task.CNN, "shrink", 0)


def told(folder: Path, slope: float) -> status.SearchStatus:
    """Return the status of a search in which ten times the MACs bring ``slope`` of accuracy a decade."""

    def evaluate(cell: Cell) -> Evaluation:
        edges = len(cell.edges)
        return evaluation(cell.key, accuracy=0.5 + slope * edges, macs=1e5 * 2**edges)

    chosen = parameters({"search": {"cnn": {"finalists": {"count": 3, "repeats": 2}}}})
    run(chosen, SHRINK, folder / "cnn" / "shrink-0", evaluate)
    return status.of(folder, chosen, Task.CNN, SHRINK)


def test_the_best_so_far_says_why_it_is_less_accurate_than_an_earlier_one(tmp_path: Path) -> None:
    """Where the score preferred a cheaper cell to a more accurate one, the line says so."""
    cheaper = told(tmp_path / "cheaper", 0.01)
    assert cheaper.best is not None and cheaper.exceeded is not None
    said = status.best_so_far(cheaper)
    assert "by score, which counts costs too: round 1's cell of 9 edges had accuracy 0.59" in said
    assert cheaper.best["accuracy"] < 0.59
    assert any("best so far" in line and said in line for line in status.lines(cheaper))


def test_the_best_so_far_that_is_the_most_accurate_explains_nothing(tmp_path: Path) -> None:
    """Where score and accuracy agree, there is nothing to explain."""
    steep = told(tmp_path, 0.09)
    assert steep.exceeded is None
    assert "by score" not in status.best_so_far(steep)


def test_finalists_are_searching_that_is_left(tmp_path: Path) -> None:
    """After the last round their jobs are queued, and no answer is told before it is there."""
    found = told(tmp_path, 0.01)
    assert found.answer is None
    names = [job.name for job in found.jobs]
    assert names[:2] == ["finalists 0 to 1, seed 1", "finalists 2 to 2, seed 1"] and names[4:6] == ["training", "test"]
    assert names[6:] == [
        *(f"training {name} for the verdict, seed-0" for name in ("complete", "mobilenet_v2", "random-0")),
        "verdict",
    ]
    assert {job.state for job in found.jobs} == {"queued"}

"""Where a search stands, in words."""

import os
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.records import submission
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.submission import Submission
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
    assert "  finalists: 0 of at most 6 evaluations done" in status.lines(found)


def test_finalists_that_are_done_are_counted(tmp_path: Path) -> None:
    """Each job that has written its evaluations counts its candidates, until the answer is there."""
    told(tmp_path, 0.01)
    (tmp_path / "cnn/shrink-0/finalists").mkdir()
    (tmp_path / "cnn/shrink-0/finalists/evaluations-2.json").touch()
    chosen = parameters({"search": {"cnn": {"finalists": {"count": 3, "repeats": 2}}}})
    found = status.of(tmp_path, chosen, Task.CNN, SHRINK)
    assert (found.repeated, found.repeats) == (2, 6)


def on_slurm(folder: Path, *events: dict[str, object], log: str | None = None) -> status.Job:
    """Return the final training's job after these events of its submission."""
    told(folder, 0.01)
    file = folder / "logs/cnn/shrink-0/train.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    if log is not None:
        file.write_text(log)
        os.utime(file, (1000, 1000))
    lines = [Submission.model_validate(event).model_dump_json() + "\n" for event in events]
    submission.beside(file).write_text("".join(lines))
    chosen = parameters({"search": {"cnn": {"finalists": {"count": 3, "repeats": 2}}}})
    found = status.of(folder, chosen, Task.CNN, SHRINK)
    asked = status.in_queue([found])[0]
    return next(job for job in asked.jobs if job.name == "training")


SUBMITTED: dict[str, object] = {"time": 900.0, "attempt": 1, "attempts": 4, "job": "12"}
ENDED: dict[str, object] = {**SUBMITTED, "time": 1100.0, "cause": "TIMEOUT", "words": "SLURM job 12: TIMEOUT"}


def test_a_failure_that_another_attempt_follows_is_queued(tmp_path: Path) -> None:
    """Only the last attempt's end is a failure."""
    queued = on_slurm(tmp_path, SUBMITTED, ENDED, log="epoch 3\n")
    assert (queued.state, queued.line) == ("queued", "SLURM job 12: TIMEOUT; attempt 2 of 4 follows")
    failed = on_slurm(tmp_path, {**ENDED, "attempt": 4}, log="epoch 3\n")
    assert (failed.state, failed.line) == ("failed", "SLURM job 12: TIMEOUT; the last attempt")


@pytest.mark.parametrize(
    ("squeue", "state", "line"),
    [
        ("PENDING|PartitionTimeLimit", "queued", "SLURM job 12 waits for ever, PartitionTimeLimit: it asks for more"),
        ("PENDING|Resources", "queued", "SLURM job 12 waits (Resources)"),
        ("REQUEUED|BeginTime", "queued", "SLURM job 12 waits (BeginTime)"),
        ("RUNNING|None", "running", "epoch 3"),
        ("NODE_FAIL|None", "failed", "SLURM job 12: NODE_FAIL"),
    ],
)
def test_the_queue_tells_why_a_job_waits(
    squeue: str, state: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SLURM says of a job counts for more than a log that an attempt before it has left."""
    program = tmp_path / "bin/squeue"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '12|{squeue}|0:00|10:00|1G|'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    found = on_slurm(tmp_path / "run", SUBMITTED, log="epoch 3\n")
    assert found.state == state
    assert found.line.startswith(line)


def test_a_job_that_slurm_has_is_queued_until_it_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer of squeue the files alone count."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert on_slurm(tmp_path / "waiting", SUBMITTED).state == "queued"
    assert on_slurm(tmp_path / "running", SUBMITTED, log="epoch 3\n").line == "epoch 3"
    assert on_slurm(tmp_path / "again", {**SUBMITTED, "time": 1200.0}, log="epoch 3\n").state == "queued"

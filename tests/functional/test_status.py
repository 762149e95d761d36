"""What `autoshrink status` says of a run, from its files alone."""

import json
import subprocess
from pathlib import Path

import pytest

from autoshrink.errors import UserError
from autoshrink.records.progress import ProgressFile
from autoshrink.records.round import Round
from autoshrink.runtime.preemption import Preempted
from autoshrink.workflow import status
from tests.functional.smoke_run import BIN, RESULTS, Folder, environment


def test_a_finished_run_is_all_done(finished: Folder) -> None:
    """Every round, candidate and job of both searches is done, and the best is the one that best.json holds."""
    for search in status.read(finished.path / RESULTS):
        best = json.loads((finished.path / RESULTS / search.task / search.search / "best.json").read_text())
        assert search.round == search.rounds
        assert search.stopped
        assert {job.state for job in search.jobs} == {"done"}
        assert search.best is not None
        if "finalists" in best:
            assert search.answer and f"{best['score']:.4f}" in search.answer
        else:
            assert search.best["score"] == best["score"] and search.answer is None
        assert not search.seconds_left


def cnn(results: Path) -> status.SearchStatus:
    """Return the status of the image search."""
    return next(found for found in status.read(results) if found.task == "cnn")


def test_a_run_in_the_middle(finished: Folder, tmp_path: Path) -> None:
    """Jobs without output are failed, running or queued as their progress tells, with their last words."""
    folder = finished.copied(tmp_path / "copy").path / RESULTS
    for name in ("round.json", "evaluations-0.json"):
        (folder / "cnn/shrink-0/round-02" / name).unlink()
    logs = folder / "logs/cnn/shrink-0"
    with pytest.raises(UserError), ProgressFile(logs / "round-02/evaluate-0.progress.jsonl") as progress:
        progress.write("candidate", slot=1, epoch=2, epochs=2, reused=False)
        raise UserError("data/digits: is damaged")
    (folder / "cnn/shrink-0/metrics.json").unlink()
    for name in ("test.log", "test.progress.jsonl"):
        (logs / name).unlink()
    (folder / "cnn/shrink-0/model/model.json").unlink()
    with ProgressFile(logs / "train.progress.jsonl") as progress:
        progress.write("epoch", epoch=2, epochs=3, seconds_left=60.0, numbers={"validation_loss": 0.5})
        search = cnn(folder)
    assert (search.round, search.rounds, search.trained) == (1, 3, 1)
    assert [job.state for job in search.jobs] == ["failed", "running", "queued"]
    told = "\n".join(status.lines(search))
    assert "round 1 of at most 3; 2 candidates evaluated, at most 5" in told
    assert "FAILED: round 2, candidates 0 to 1: data/digits: is damaged" in told
    assert "running: training, silent for 0 s: epoch 2 of 3, 60 s left: validation loss 0.5" in told
    assert "searching that is left: " in told


def test_a_preempted_training_has_not_failed(finished: Folder, tmp_path: Path) -> None:
    """A training that wrote a checkpoint and stopped goes on; one whose process is gone without a word has failed."""
    folder = finished.copied(tmp_path / "copy").path / RESULTS
    (folder / "cnn/shrink-0/model/model.json").unlink()
    path = folder / "logs/cnn/shrink-0/train.progress.jsonl"
    with pytest.raises(Preempted), ProgressFile(path):
        raise Preempted("stopped as told after step 8 of epoch 2")
    assert "  stopped, goes on when it is run again: training: stopped as told after step 8 of epoch 2" in list(
        status.lines(cnn(folder))
    )
    gone = subprocess.Popen(["true"])
    gone.wait()
    started = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps({**started, "process": gone.pid}) + "\n")
    (folder / "logs/cnn/shrink-0/train.log").write_text("Killed\n")
    assert "  FAILED: training: it was killed: Killed" in list(status.lines(cnn(folder)))


def test_an_ended_search_has_nothing_queued(finished: Folder, tmp_path: Path) -> None:
    """Rounds that follow a search's end have nothing to train, so that none of their jobs is named."""
    folder = finished.copied(tmp_path / "copy").path / RESULTS
    chosen = folder / "cnn/shrink-0"
    ended = Round.read(chosen / "round-03/round.json").state
    for name in ("round.json", "evaluations-0.json"):
        (chosen / "round-03" / name).unlink()
    second = Round.read(chosen / "round-02/round.json")
    second.model_copy(update={"state": ended}).write(chosen / "round-02/round.json")
    search = cnn(folder)
    assert search.stopped
    repeats = ["finalists 0 to 1, seed 1", "finalists 0 to 1, seed 2"]
    assert [job.name for job in search.jobs] == [*repeats, "training", "test"]
    assert not search.seconds_left


def test_status_needs_no_torch(finished: Folder) -> None:
    """The verb prints JSON and imports no torch, so that it answers at once on a login node."""
    code = (
        "import sys; from autoshrink.cli import main; main(['status', sys.argv[1], '--json']);"
        "assert 'torch' not in sys.modules"
    )
    command: list[str | Path] = [BIN / "python", "-c", code, str(finished.path / RESULTS)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [search["task"] for search in json.loads(done.stdout)] == ["cnn", "rnn"]


def test_no_run_is_told(tmp_path: Path) -> None:
    """A folder that holds no run is named."""
    with pytest.raises(UserError, match="holds no run"):
        status.read(tmp_path)

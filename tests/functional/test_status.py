"""What `autoshrink status` says of a run, from its files alone."""

import json
import subprocess
from pathlib import Path

import pytest

from autoshrink.errors import UserError
from autoshrink.report import status
from tests.functional.smoke_run import BIN, RESULTS, Folder, environment


def test_a_finished_run_is_all_done(finished: Folder) -> None:
    """Every round, candidate and job of both searches is done, and the best is the one that best.json holds."""
    for search in status.read(finished.path / RESULTS):
        best = json.loads((finished.path / RESULTS / search.task / search.search / "best.json").read_text())
        assert search.round == search.rounds
        assert search.stopped
        assert {job.state for job in search.jobs} == {"done"}
        assert search.best is not None
        assert search.best["score"] == best["score"]
        assert not search.seconds_left


def test_a_run_in_the_middle(finished: Folder, tmp_path: Path) -> None:
    """Jobs without output are failed, running or queued as their logs tell, with their last words."""
    folder = finished.copied(tmp_path / "copy").path / RESULTS
    for name in ("round.json", "evaluations-0.json"):
        (folder / "cnn/shrink-0/round-02" / name).unlink()
    log = folder / "logs/cnn/shrink-0/round-02/evaluate-0.log"
    log.write_text("[ 1.0 s] epoch 1\nautoshrink evaluate: data/digits: is damaged\n")
    (folder / "cnn/shrink-0/metrics.json").unlink()
    (folder / "logs/cnn/shrink-0/test.log").unlink()
    (folder / "cnn/shrink-0/model/model.json").unlink()
    (folder / "logs/cnn/shrink-0/train.log").write_text("[ 9.0 s] cnn training epoch 2 of 3\n")

    search = next(found for found in status.read(folder) if found.task == "cnn")
    assert (search.round, search.rounds) == (1, 3)
    assert [job.state for job in search.jobs] == ["failed", "running", "queued"]
    told = "\n".join(status.lines(search))
    assert "round 1 of at most 3; 2 candidates evaluated, at most 5" in told
    assert "FAILED: round 2, candidates 0 to 1: autoshrink evaluate: data/digits: is damaged" in told
    assert "running: training, silent for" in told
    assert "searching that is left: about" in told


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

"""A training that is told to stop, as a cluster does before a time limit, goes on as if nothing had been."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from autoshrink.runtime import preemption
from tests.functional.smoke_run import BIN, RESULTS, Folder, environment


@pytest.mark.parametrize(
    ("task", "data", "number"),
    [("cnn", "digits", signal.SIGTERM), ("rnn", "sotu-recent", signal.SIGUSR1)],
    ids=["cnn SIGTERM", "rnn SIGUSR1"],
)
def test_a_training_told_to_stop_goes_on(
    task: str, data: str, number: signal.Signals, finished: Folder, tmp_path: Path
) -> None:
    """It writes a checkpoint, ends with try-again, and the same command ends in the undisturbed training's bytes."""
    (frozen,) = (finished.path / RESULTS / "params").glob("*.yaml")
    place = finished.path / RESULTS / task / "shrink-0"
    command = [
        str(BIN / "autoshrink"), "train", "--params", str(frozen), "--task", task, "--cell", str(place / "best.json"),
        "--data", str(finished.prepared(data)), "--out", str(tmp_path / "model"),
    ]  # fmt: skip
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    until = time.monotonic() + 300
    while not list((tmp_path / "model").glob("checkpoints/*.json")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(number)
    told = process.stderr.read()
    status = process.wait()
    # the CNN's two epochs that are left take a fraction of a second: on a busy machine it may have ended by itself
    if task == "rnn" or status:
        assert status == preemption.STATUS
        assert "a checkpoint is written, and the same command goes on from it" in told
        assert not (tmp_path / "model/model.json").exists()
    again = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    for name in ("model.safetensors", "history.json"):
        assert (tmp_path / "model" / name).read_bytes() == (place / "model" / name).read_bytes()

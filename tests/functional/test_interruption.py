"""Ctrl-C and SIGTERM: one line that says how to go on, and the same command goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.functional.smoke_run import RESULTS, Folder, environment

GOAL = f"{RESULTS}/cnn/shrink-0/round-01/round.json"


def interrupted(folder: Folder, *signals: signal.Signals) -> tuple[int, str]:
    """Begin a run, send its process group signals once a candidate trains, and return the status and what was said."""
    process = subprocess.Popen(
        folder.command(GOAL),
        cwd=folder.path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = folder.path / RESULTS / "logs/cnn/shrink-0/round-01/evaluate-0.log"
    while not log.exists():
        time.sleep(0.05)
    for number in signals:
        # a terminal's Ctrl-C reaches the whole group, a scheduler's SIGTERM the process alone
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        time.sleep(0.3)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.parametrize(
    ("signals", "line"),
    [
        ((signal.SIGINT,), "Interrupted; nothing finished is lost, and the same command goes on from here."),
        ((signal.SIGINT, signal.SIGINT), "Interrupted; nothing finished is lost"),
        ((signal.SIGTERM,), "Told to end: the steps under way are let finish"),
    ],
    ids=["Ctrl-C", "twice", "SIGTERM"],
)
def test_a_run_that_is_told_to_end(tmp_path: Path, signals: tuple[signal.Signals, ...], line: str) -> None:
    """One line, no traceback, no shell command, no failure; the next run ends well."""
    folder = Folder.new(tmp_path / "run").overlaid("tasks: [cnn]\nproxy: {cnn: {training: {epochs: 20}}}\n")
    status, said = interrupted(folder, *signals)
    assert status != 0
    last = said.splitlines()[-1]
    assert last.startswith(line), said
    assert not [word for word in ("Traceback", "FAILED", "WorkflowError", "set -euo", "Error") if word in said], said
    assert folder.run(GOAL).returncode == 0

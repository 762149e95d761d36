"""Whatever goes wrong on a cluster, the run completes, or the same command goes on: nothing finished is done twice."""

import os
import shutil
import signal
import time
from pathlib import Path

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import (
    IMAGES,
    SMALL,
    TEXT,
    ended_well,
    evaluated,
    over,
    processes,
    said,
    same,
    started,
    state,
    until,
)
from tests.functional.smoke_run import Folder

SEARCHED = [f"{place}/best.json" for place in (IMAGES, TEXT)]


def test_a_cancelled_job_and_a_lost_node(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """A job cancelled from outside and a node taken down under another are made good; what was finished stays."""
    folder = Folder.new(tmp_path / "run")
    process = started(folder, *SEARCHED)
    until(lambda: evaluated(folder.path))
    until(lambda: slurm.jobs("RUNNING"))
    slurm.command("scancel", slurm.jobs("RUNNING")[0], check=False)
    kept = evaluated(folder.path)
    while not (busy := slurm.command("squeue", "-h", "--states=RUNNING", "-o", "%N").split()):
        time.sleep(0.5)
    slurm.command("scontrol", "update", f"nodename={busy[0]}", "state=down", "reason=test")
    slurm.command("scontrol", "update", f"nodename={busy[0]}", "state=resume")
    if process.wait(1500):
        ended_well(started(folder, *SEARCHED), folder)
    searched(folder, finished, kept)


def test_snakemake_killed(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """After SIGKILL of Snakemake the same command cancels what it left running and goes on."""
    folder = Folder.new(tmp_path / "run")
    process = started(folder, *SEARCHED)
    until(lambda: evaluated(folder.path))
    until(lambda: slurm.jobs("RUNNING"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = evaluated(folder.path)
    ended_well(started(folder, *SEARCHED), folder)
    searched(folder, finished, kept)
    assert "going on from what it finished" in said(folder)


def searched(folder: Folder, finished: Folder, kept: dict[str, int]) -> None:
    """Check that both searches' files are the local run's, and that the evaluations ``kept`` were not written again."""
    for place in SEARCHED:
        same(folder, finished, place)
    for place in (IMAGES, TEXT):
        same(folder, finished, f"{place}/round-")
    same(folder, finished, "store/")
    after = evaluated(folder.path)
    assert kept
    assert {name: after[name] for name in kept} == kept


def without_training(finished: Folder, path: Path) -> Folder:
    """Return a copy of the finished run whose text model is still to be trained."""
    folder = finished.copied(path)
    shutil.rmtree(folder.path / TEXT / "model")
    (folder.path / TEXT / "metrics.json").unlink()
    return folder


def test_a_job_past_its_time_limit(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """A training that meets SLURM's time limit writes a checkpoint; the next job goes on from it, to the same bytes."""
    folder = without_training(finished, tmp_path / "run")
    model = folder.path / TEXT / "model"
    resources = {**SMALL, "train:runtime": "1 if attempt == 1 else 10"}
    process = started(folder, f"{TEXT}/model/model.json", resources=resources)
    # the shortest limit is a minute: the training is stopped, so that it lasts; at the limit SLURM wakes and tells it
    until(lambda: list(model.glob("checkpoints/*.json")), every=0.002)
    for training in processes(folder.path, "train"):
        os.kill(training, signal.SIGSTOP)
    (job,) = slurm.jobs("RUNNING")
    told = "a checkpoint is written, and the same command goes on from it"
    until(lambda: told in folder.log("rnn/shrink-0/train.log"), every=0.1)
    until(lambda: over(slurm, job))
    assert state(slurm, job) == "TIMEOUT"
    assert not (model / "model.json").exists()
    ended_well(process, folder)
    same(folder, finished, f"{TEXT}/model/")


def test_a_job_killed_for_memory(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """A job that SLURM ends for taking more memory than it asked for comes again with more, and ends as it should."""
    folder = Folder.new(tmp_path / "run")
    # as the rules do: each attempt gets its number times what the first got, which is too little for torch
    goal = f"{IMAGES}/round-01/evaluations-0.json"
    ended_well(started(folder, goal, resources={**SMALL, "evaluate:mem_mb": "600 * attempt"}), folder)
    assert "memory limit" in said(folder)
    same(folder, finished, goal)

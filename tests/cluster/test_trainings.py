"""Trainings that are told to stop, and trainings over several nodes and GPUs."""

import re
from pathlib import Path

import yaml

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import SMALL, TEXT, direct, ended_well, over, processes, started, state, until
from tests.cluster.test_faults import without_training
from tests.functional.smoke_run import ROOT, Folder


def test_a_training_that_is_told_to_stop_goes_on(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """At SIGTERM, as before a time limit or preemption, a training writes a checkpoint, and the next job goes on."""
    folder = finished.copied(tmp_path / "run")
    checkpoints = folder.path / "long/checkpoints"
    first = direct(slurm, folder)
    until(lambda: list(checkpoints.glob("*.json")), every=0.01)
    slurm.command("scancel", "--signal=TERM", "--full", first)
    until(lambda: over(slurm, first))
    told = (folder.path / f"job-{first}.txt").read_text()
    assert "a checkpoint is written, and the same command goes on from it" in told
    second = direct(slurm, folder)
    until(lambda: over(slurm, second))
    assert state(slurm, second) == "COMPLETED", (folder.path / f"job-{second}.txt").read_text()
    resumed = (folder.path / "long/model.safetensors").read_bytes()
    (folder.path / "long").rename(folder.path / "resumed")
    third = direct(slurm, folder)
    until(lambda: over(slurm, third))
    assert (folder.path / "long/model.safetensors").read_bytes() == resumed


def test_a_training_over_two_nodes(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """The launcher starts a process on each of a job's nodes; they meet and train one model together."""
    folder = finished.copied(tmp_path / "run")
    job = direct(slurm, folder, "--nodes=2", "--ntasks-per-node=1")
    until(lambda: over(slurm, job))
    assert state(slurm, job) == "COMPLETED", (folder.path / f"job-{job}.txt").read_text()
    assert (folder.path / "long/model.safetensors").exists()


def test_the_readme_s_multi_node_training(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """What the README asks for, on two nodes of two GPUs, starts four processes that train one model together."""
    text = (ROOT / "workflow/profiles/README.md").read_text()
    section = text.split("## One training on several GPUs and nodes")[1]
    (example,) = re.findall(r"((?:^    .*\n){2,})", section.split("\n## ")[0], re.MULTILINE)
    asked = yaml.safe_load(example)["set-resources"]["train"]
    resources = {**SMALL, "train:mem_mb": "4000", **{f"train:{key}": str(value) for key, value in asked.items()}}
    folder = without_training(finished, tmp_path / "run")
    goal = f"{TEXT}/model/model.safetensors"
    process = started(folder, goal, resources=resources)
    ranks: set[tuple[str, str, str]] = set()

    def seen() -> bool:
        for environment in processes(folder.path, "train").values():
            if "RANK" in environment:
                names = ("SLURMD_NODENAME", "RANK", "WORLD_SIZE")
                ranks.add(tuple(environment.get(name, "") for name in names))  # type: ignore[arg-type]
        return process.poll() is not None

    until(seen, every=0.05)
    ended_well(process, folder)
    assert sorted(ranks) == [("n1", "0", "4"), ("n1", "1", "4"), ("n2", "2", "4"), ("n2", "3", "4")]
    assert (folder.path / goal).exists()

"""The smoke preset on a real SLURM: the same bytes, whatever goes wrong on the way, and nothing finished done twice."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from local_slurm import LocalSlurm
from smoke_run import BIN, RESULTS, ROOT, Folder, environment

PROFILE = str(ROOT / "workflow/profiles/slurm")
# a machine of two cores runs two nodes: small requests, and no waiting for a file system that is right here
HERE = [
    "--profile", PROFILE, "--jobs", "4", "--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "2",
    "--default-resources", "runtime=10", "mem_mb=1000", "slurm_partition=main",
    "--set-resources", "prepare:mem_mb=1500", "evaluate:mem_mb=1500", "train:mem_mb=1500", "test:mem_mb=1500",
]  # fmt: skip


def started(folder: Folder, *more: str) -> subprocess.Popen[bytes]:
    """Start ``make run`` on the cluster in a session of its own."""
    command = [*folder.command(), *HERE, *more]
    with (folder.path / "output.txt").open("ab") as output:
        return subprocess.Popen(
            command, cwd=folder.path, env=environment(), stdout=output, stderr=output, start_new_session=True
        )


def until(holds: Callable[[], object], seconds: float = 600) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.5)


def ended_well(process: subprocess.Popen[bytes], folder: Folder) -> None:
    """Wait for the run and check that it ended well."""
    assert process.wait(1500) == 0, (folder.path / "output.txt").read_text()[-4000:]


def evaluated(folder: Folder) -> dict[str, int]:
    """Return when each evaluation in the store was written."""
    files = (folder.path / "store").rglob("*.json")
    return {file.name: file.stat().st_mtime_ns for file in files if len(file.name) == 64 + len(".json")}


def same(folder: Folder, finished: Folder) -> None:
    """Check that a run has the local run's bytes."""
    expected = finished.digests()
    found = folder.digests()
    assert {name: found.get(name) for name in expected} == expected


def test_the_cluster_gives_the_same_bytes(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Jobs on two nodes give the cells, models and metrics of the local run, byte for byte."""
    folder = Folder.new(tmp_path / "run")
    ended_well(started(folder), folder)
    same(folder, finished)


def test_a_cancelled_job_and_a_lost_node(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """A job cancelled from outside and a node taken down under another are made good; what was finished stays."""
    folder = Folder.new(tmp_path / "run")
    process = started(folder)
    until(lambda: evaluated(folder))
    until(lambda: slurm.jobs("RUNNING"))
    slurm.command("scancel", slurm.jobs("RUNNING")[0], check=False)
    kept = evaluated(folder)
    until(lambda: slurm.jobs("RUNNING"))
    slurm.command("scontrol", "update", "nodename=n2", "state=down", "reason=test")
    slurm.command("scontrol", "update", "nodename=n2", "state=resume")
    if process.wait(1500):
        ended_well(started(folder), folder)
    same(folder, finished)
    after = evaluated(folder)
    assert {name: after[name] for name in kept} == kept


def test_snakemake_killed(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """After SIGKILL of Snakemake the same command cancels what it left running and goes on."""
    folder = Folder.new(tmp_path / "run")
    process = started(folder)
    until(lambda: evaluated(folder))
    until(lambda: slurm.jobs("RUNNING"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = evaluated(folder)
    ended_well(started(folder), folder)
    same(folder, finished)
    after = evaluated(folder)
    assert {name: after[name] for name in kept} == kept
    assert "going on from what it finished" in (folder.path / "output.txt").read_text()


def test_two_searches_share_one_store(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Two searches, of two seeds, at once on one store: the first is as it was alone, and nothing is trained twice."""
    folder = Folder.new(tmp_path / "run").overlaid("{tasks: [cnn], search: {seeds: [0, 1]}}")
    ended_well(started(folder), folder)
    expected = {
        name: digest for name, digest in finished.digests().items() if name.startswith(f"{RESULTS}/cnn/shrink-0")
    }
    found = folder.digests()
    assert {name: found.get(name) for name in expected} == expected
    assert (folder.path / RESULTS / "cnn/shrink-1/metrics.json").exists()


def direct(slurm: LocalSlurm, folder: Folder, *options: str) -> str:
    """Submit the run's CNN training as a job of its own, and return the job's id."""
    (frozen,) = (folder.path / RESULTS / "params").glob("*.yaml")
    place = folder.path / RESULTS / "cnn/shrink-0"
    command = (
        f"{ROOT}/workflow/bin/launch {BIN}/autoshrink train --params {frozen} --set training.cnn.epochs=40 --task cnn "
        f"--cell {place}/best.json --data {folder.path}/data/digits --out {folder.path}/long"
    )
    script = f"#!/bin/bash\nexport PATH={BIN}:$PATH OMP_NUM_THREADS=1\nexec {command}\n"
    (folder.path / "job.sh").write_text(script)
    words = ["sbatch", "--parsable", "--mem=2000", f"--output={folder.path}/job-%j.txt", *options]
    return slurm.command(*words, f"--chdir={folder.path}", str(folder.path / "job.sh")).strip()


def state(slurm: LocalSlurm, job: str) -> str:
    """Return a job's state."""
    return slurm.command("squeue", "-h", "--states=all", f"--jobs={job}", "-o", "%T").strip()


def test_a_training_that_is_told_to_stop_goes_on(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """At SIGTERM, as before a time limit or preemption, a training writes a checkpoint, and the next job goes on."""
    folder = finished.copied(tmp_path / "run")
    checkpoints = folder.path / "long/checkpoints"
    first = direct(slurm, folder)
    until(lambda: list(checkpoints.glob("*.json")))
    slurm.command("scancel", "--signal=TERM", "--full", first)
    until(lambda: state(slurm, first) not in ("RUNNING", "COMPLETING"))
    told = (folder.path / f"job-{first}.txt").read_text()
    assert "a checkpoint is written, and the same command goes on from it" in told
    newest = max(checkpoints.glob("*.json")).name
    second = direct(slurm, folder)
    until(lambda: state(slurm, second) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"))
    assert state(slurm, second) == "COMPLETED", (folder.path / f"job-{second}.txt").read_text()
    resumed = (folder.path / "long/model.safetensors").read_bytes()
    (folder.path / "long").rename(folder.path / "resumed")
    third = direct(slurm, folder)
    until(lambda: state(slurm, third) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"))
    assert (folder.path / "long/model.safetensors").read_bytes() == resumed
    assert newest


def test_a_training_over_two_nodes(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """The launcher starts a process on each of a job's nodes; they meet and train one model together."""
    folder = finished.copied(tmp_path / "run")
    job = direct(slurm, folder, "--nodes=2", "--ntasks-per-node=1")
    until(lambda: state(slurm, job) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"))
    assert state(slurm, job) == "COMPLETED", (folder.path / f"job-{job}.txt").read_text()
    assert (folder.path / "long/model.safetensors").exists()


def test_gpus_are_never_shared(slurm: LocalSlurm, tmp_path: Path) -> None:
    """Of jobs that want a GPU, no two have the same device of the same node at the same time."""
    (tmp_path / "Snakefile").write_text(
        'rule all:\n    input: expand("{n}.txt", n=range(8))\n'
        'rule use:\n    output: "{n}.txt"\n    resources: gpu=1\n'
        '    shell: "(date +%s.%N; sleep 3; echo $SLURMD_NODENAME/$CUDA_VISIBLE_DEVICES; date +%s.%N) > {output}"\n'
    )
    options = [*HERE[:2], "--jobs", "8", *HERE[4:12]]
    command = [str(BIN / "snakemake"), *options]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    used = [file.read_text().split() for file in sorted(tmp_path.glob("*.txt"))]
    assert len(used) == 8
    for index, (begin, device, end) in enumerate(used):
        assert re.fullmatch(r"n[12]/[01]", device)
        for other_begin, other_device, other_end in used[:index]:
            apart = float(end) <= float(other_begin) or float(other_end) <= float(begin)
            assert device != other_device or apart
    assert len({device for _, device, _ in used}) > 1


@pytest.mark.parametrize("slots", [1, 5, 10])
def test_what_the_paper_preset_submits(slots: int, tmp_path: Path) -> None:
    """The numbers of submissions that the profiles' README gives."""
    folder = Folder(Folder.new(tmp_path / "paper").path, (ROOT / "workflow/presets/paper.yaml",))
    done = folder.overlaid(f"search: {{slots_per_job: {slots}}}").snakemake("--dry-run")
    jobs = {name: int(count) for name, count in re.findall(r"^([a-z]+) +(\d+)$", done.stdout, re.MULTILINE)}
    local = ("all", "start", "propose", "select", "best", "total")
    submitted = sum(count for name, count in jobs.items() if name not in local)
    row = re.search(
        rf"^\| {slots}\b[^|]*\| (\d+) \| (\d+) \|$", (ROOT / "workflow/profiles/README.md").read_text(), re.M
    )
    assert row
    assert (jobs["evaluate"], submitted) == (int(row[1]), int(row[2]))

"""Runs of the smoke preset on the tests' SLURM, looked at while they run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cluster.local_slurm import LocalSlurm
from tests.functional.smoke_run import BIN, RESULTS, ROOT, Folder, environment

PROFILE = str(ROOT / "workflow/profiles/slurm")
# nothing waits for a file system that is right here, and jobs are asked for often
HERE = [
    "--profile", PROFILE, "--jobs", "4", "--latency-wait", "5", "--seconds-between-status-checks", "2",
    "--default-resources", "runtime=10", "mem_mb=1000", "slurm_partition=main",
]  # fmt: skip
# a machine of two cores runs two nodes: small requests
SMALL = {f"{step}:mem_mb": "1500" for step in ("prepare", "evaluate", "train", "test")}
# goals of the text's search and of the images' that suffice where not everything is needed
TEXT, IMAGES = f"{RESULTS}/rnn/shrink-0", f"{RESULTS}/cnn/shrink-0"


def started(folder: Folder, *more: str, resources: Mapping[str, str] = SMALL) -> subprocess.Popen[bytes]:
    """Start ``make run`` on the cluster in a session of its own."""
    set_resources = ["--set-resources", *(f"{key}={value}" for key, value in resources.items())]
    command = [*folder.command(*more), *HERE, *set_resources]
    with (folder.path / "output.txt").open("ab") as output:
        return subprocess.Popen(
            command, cwd=folder.path, env=environment(), stdout=output, stderr=output, start_new_session=True
        )


def end_all(slurm: LocalSlurm, place: Path) -> None:
    """End every process that works for a run below ``place``, and every job."""
    slurm.clear()
    mark = f"AUTOSHRINK_RUN_FOLDER={place}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if any(value.startswith(mark) for value in (entry / "environ").read_bytes().split(b"\0")):
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:  # gone by now
            continue


def until(holds: Callable[[], object], seconds: float = 600, every: float = 0.5) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(every)


def said(folder: Folder) -> str:
    """Return what the run, and every job of it that failed, has said."""
    logs = (folder.path / ".snakemake/slurm_logs").rglob("*.log")
    files = [folder.path / "output.txt", *sorted(logs, key=lambda file: file.stat().st_mtime)]
    return "\n".join(file.read_text(errors="replace") for file in files)


def ended_well(process: subprocess.Popen[bytes], folder: Folder) -> None:
    """Wait for the run and check that it ended well."""
    assert process.wait(1500) == 0, said(folder)[-8000:]


def evaluated(folder: Path) -> dict[str, int]:
    """Return when each evaluation in the folder's store was written."""
    files = (folder / "store").rglob("*.json")
    return {file.name: file.stat().st_mtime_ns for file in files if len(file.name) == 64 + len(".json")}


def same(folder: Folder, finished: Folder, under: str = "") -> None:
    """Check that a run has the local run's bytes, in all files whose names begin with ``under``."""
    expected = {name: digest for name, digest in finished.digests().items() if name.startswith(under)}
    found = folder.digests()
    assert expected
    assert {name: found.get(name) for name in expected} == expected


def state(slurm: LocalSlurm, job: str) -> str:
    """Return a job's state."""
    return slurm.command("squeue", "-h", "--states=all", f"--jobs={job}", "-o", "%T").strip()


def over(slurm: LocalSlurm, job: str) -> bool:
    """Return whether a job has ended, in whatever way."""
    return state(slurm, job) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")


def processes(folder: Path, verb: str) -> dict[int, dict[str, str]]:
    """Return the processes that run a verb of ``autoshrink`` for this folder, with their environments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if str(BIN / "autoshrink") not in words[:3] or verb not in words or (entry / "cwd").readlink() != folder:
                continue
            pairs = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            found[int(entry.name)] = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        except OSError:  # gone by now
            continue
    return found


def direct(slurm: LocalSlurm, folder: Folder, *options: str) -> str:
    """Submit a long training of the run's CNN as a job of its own, into ``long``, and return the job's id."""
    (frozen,) = (folder.path / RESULTS / "params").glob("*.yaml")
    place = folder.path / RESULTS / "cnn/shrink-0"
    command = (
        f"{ROOT}/workflow/bin/launch {BIN}/autoshrink train --params {frozen} --set training.cnn.epochs=40 --task cnn "
        f"--cell {place}/best.json --data {folder.prepared('digits')} --out {folder.path}/long"
    )
    script = f"#!/bin/bash\nexport PATH={BIN}:$PATH OMP_NUM_THREADS=1\nexec {command}\n"
    (folder.path / "job.sh").write_text(script)
    words = ["sbatch", "--parsable", "--mem=2000", f"--output={folder.path}/job-%j.txt", *options]
    return slurm.command(*words, f"--chdir={folder.path}", str(folder.path / "job.sh")).strip()

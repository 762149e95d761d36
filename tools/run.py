"""Runs Snakemake in the current folder and picks up safely what a crash has left behind.

    .venv/bin/python tools/run.py --cores all [more for Snakemake]

One run at a time in a folder: it holds a lock of the operating system, which ends with the run however that ends. So
whoever gets it knows that Snakemake's own lock, if there is one, is a dead run's, as are steps that still compute.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
STATE = Path(".snakemake")
# every process of a run carries the folder it works for, so that it can be told from other runs'
MARK = "AUTOSHRINK_RUN_FOLDER"


def main(arguments: list[str]) -> int:
    """Take the lock, clear away what a dead run left, and become Snakemake; return only if that cannot be."""
    from autoshrink.params.arguments import mistakes_in

    if mistakes := mistakes_in(arguments):
        return complain("\nrun: ".join(mistakes))
    try:
        STATE.mkdir(exist_ok=True)
        lock = os.open(STATE / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        return complain(f"{Path.cwd()}: cannot be written ({error.strerror}); run in a folder of your own")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(lock, 20).decode() or "unknown"
        return complain(f"another run (process {holder}) is under way in {Path.cwd()}; wait for it or end it")
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())

    # every step is a process of its own: without compiled modules it would compile torch's Python code each time
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    end_orphans()
    prefix = f"autoshrink-{hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:12]}"
    os.environ[MARK] = str(Path.cwd())
    if any((STATE / "locks").glob("*")):
        complain("the run before ended in the middle; going on from what it finished")
        cancel_jobs(prefix)
        unlocked = subprocess.run([BIN / "snakemake", *arguments, "--unlock"], capture_output=True, text=True)
        if unlocked.returncode:
            print(unlocked.stderr, file=sys.stderr)
            return unlocked.returncode
    os.set_inheritable(lock, True)
    # what is said, and how much: src/snakemake_logger_plugin_autoshrink; with --verbose, Snakemake's own words
    options = ["--rerun-incomplete", "--logger", "autoshrink"]
    for executor in ("slurm", "autoshrink-slurm"):
        options += [f"--{executor}-jobname-prefix", prefix]
    if not {"--quiet", "-q"} & {*arguments}:
        options += ["--quiet", "host"]
    os.execv(BIN / "snakemake", ["snakemake", *arguments, *options])


def complain(message: str) -> int:
    """Print one line for a person and return the status of a failure."""
    print(f"run: {message}", file=sys.stderr)
    return 2


def end_orphans() -> None:
    """End the processes of a dead run in this folder: they would write what this run writes. Linux only."""
    mark = f"{MARK}={Path.cwd()}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except (OSError, ValueError):  # gone by now, or another user's
            continue
    for process in found:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while any(Path(f"/proc/{process}/exe").exists() for process in found):
        time.sleep(0.05)
    if found:
        complain(f"ended {len(found)} processes of a run that was killed")


def cancel_jobs(prefix: str) -> None:
    """Cancel the jobs that a dead run left in SLURM's queue, known by its prefix; return when they are gone."""
    if shutil.which("squeue") is None:
        return
    found: list[str] = []
    for _ in range(120):
        listed = subprocess.run(["squeue", "--noheader", "--format=%i %j"], capture_output=True, text=True).stdout
        jobs = [line.split()[0] for line in listed.splitlines() if line.split()[1:2] and prefix in line]
        if not jobs:
            break
        if not found:
            subprocess.run(["scancel", *jobs], check=False)
            found = jobs
        time.sleep(1)
    if found:
        complain(f"cancelled {len(found)} jobs of a run that was killed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

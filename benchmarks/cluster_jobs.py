"""How many jobs a search submits, and what a job costs beside its work, on a real SLURM of two nodes on this machine.

    python -m benchmarks.cluster_jobs --out benchmarks/results/cluster-jobs.csv

Needs root, slurm-wlm and munge. The jobs train a round of ten tiny candidates, so that what is measured is waiting and
starting: the queue, Snakemake's two processes inside a job, Python and torch. Submissions of the paper preset are
counted in Snakemake's dry run.
"""

import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from autoshrink.files import artifacts
from autoshrink.records.timing import StepTiming
from benchmarks import tables
from tests.cluster.local_slurm import LocalSlurm, missing

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

PAPER = ROOT / "workflow/presets/paper.yaml"
SMOKE = ROOT / "workflow/presets/smoke.yaml"
GOAL = "results-smoke/cnn/shrink-0/round-01/round.json"
LOCAL = ("all", "start", "propose", "select", "best", "total")
# name, search.slots_per_job
WAYS = [
    ("slots_per_job 10", 10),
    ("slots_per_job 5", 5),
    ("slots_per_job 1", 1),
]
COLUMNS = [
    "date", "machine", "way", "paper_evaluation_jobs", "paper_submissions", "candidates", "submissions", "wall_seconds",
    "queued_seconds", "ran_seconds", "training_seconds",
]  # fmt: skip


def environment() -> dict[str, str]:
    """Return an environment with this Python's programs, one thread each."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def snakemake(folder: Path, *arguments: str, seconds: int = 900) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on this workflow in a folder."""
    command = [str(BIN / "snakemake"), "--snakefile", str(ROOT / "Snakefile"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=seconds)


def working_folder(place: Path, slots: int) -> tuple[Path, Path]:
    """Return a new folder to run in, and the overlay that sets its jobs' size."""
    place.mkdir()
    shutil.copy(ROOT / "params.default.yaml", place / "params.yaml")
    overlay = place / "slots.yaml"
    overlay.write_text(f"search: {{slots_per_job: {slots}}}\n")
    return place, overlay


def counted(place: Path, slots: int) -> tuple[int, int]:
    """Return the evaluation jobs of the paper preset, and all jobs that it submits."""
    folder, overlay = working_folder(place, slots)
    done = snakemake(folder, "--configfile", str(PAPER), str(overlay), "--dry-run", "--quiet", "rules")
    done.check_returncode()
    jobs = {name: int(count) for name, count in re.findall(r"^([a-z]+) +(\d+)$", done.stdout, re.MULTILINE)}
    return jobs["evaluate"], sum(count for name, count in jobs.items() if name not in LOCAL)


def run(slurm: Any, data: Path, place: Path, slots: int) -> dict[str, float]:
    """Run the round on the cluster; return how many jobs there were and where the time went."""
    folder, overlay = working_folder(place, slots)
    shutil.copytree(data, folder / "data")
    with overlay.open("a") as file:
        file.write("tasks: [cnn]\n")
    (folder / "wide.yaml").write_text("search: {cnn: {nodes: 5, k: 10}}\n")
    common = ["--configfile", str(SMOKE), str(overlay), "wide.yaml", "--profile", str(ROOT / "workflow/profiles/slurm")]
    common += ["--latency-wait", "5", "--seconds-between-status-checks", "2"]
    common += ["--default-resources", "runtime=10", "mem_mb=1000", "slurm_partition=main"]
    common += ["--set-resources", "evaluate:mem_mb=1500"]
    before = set(slurm.command("squeue", "-h", "--states=all", "-o", "%i").split())
    started = time.monotonic()
    done = snakemake(folder, GOAL, *common)
    wall = time.monotonic() - started
    if done.returncode:
        raise click.ClickException(done.stderr[-3000:])
    queued, ran = [], []
    for line in slurm.command("squeue", "-h", "-r", "--states=all", "-o", "%i %V %S %e").splitlines():
        job, *times = line.split()
        if job not in before:
            submitted, began, ended = map(datetime.datetime.fromisoformat, times)
            queued.append((began - submitted).total_seconds())
            ran.append((ended - began).total_seconds())
    slots_of = [StepTiming.read(artifacts.timing_path(file)).slots or {} for file in evaluations(folder)]
    seconds = [slot.device_seconds or 0.0 for found in slots_of for slot in found.values() if not slot.reused]
    return {
        "candidates": sum(len(found) for found in slots_of),
        "submissions": len(ran),
        "wall_seconds": round(wall, 1),
        "queued_seconds": round(sum(queued) / len(queued), 1),
        "ran_seconds": round(sum(ran) / len(ran), 1),
        "training_seconds": round(sum(seconds), 1),
    }


def evaluations(folder: Path) -> list[Path]:
    """Return what the evaluation jobs have written."""
    found = (folder / "results-smoke/cnn/shrink-0").glob("round-*/evaluations-*.json")
    return sorted(file for file in found if re.fullmatch(r"evaluations-\d+\.json", file.name))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file that rows are added to.")
def main(out: Path) -> None:
    """Count and measure, one way of submitting after another, and append a row for each."""
    if why := missing():
        raise click.ClickException(f"no SLURM here: {why}")
    with (
        tempfile.TemporaryDirectory() as name,
        LocalSlurm(Path(name) / "slurm", nodes=2, cpus=2) as slurm,
    ):
        data = Path(name) / "data"
        prepare = [
            str(BIN / "autoshrink"),
            "prepare",
            "digits",
            "--params",
            str(ROOT / "params.default.yaml"),
            "--set",
            f"paths.data={data}",
        ]
        subprocess.run(prepare, env=environment(), check=True)
        for index, (way, slots) in enumerate(WAYS):
            jobs, submissions = counted(Path(name) / f"paper-{index}", slots)
            row: dict[str, object] = {
                "date": datetime.date.today().isoformat(),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
                "way": way,
                "paper_evaluation_jobs": jobs,
                "paper_submissions": submissions,
                **run(slurm, data, Path(name) / f"run-{index}", slots),
            }
            tables.append(out, COLUMNS, [row])
            click.echo(", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

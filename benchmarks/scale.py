"""What 64 searches of 256 candidates cost beside their trainings: Snakemake's graph, files and store, and idle workers.

    python -m benchmarks.scale --out benchmarks/results/scale.json

Three parts, in CPU seconds where a busy machine would falsify the clock:

- graph: dry runs of all 64 searches, for several sizes of evaluation jobs;
- files: all 64 searches through their real files and one store, evaluations looked up in a made-up table, so that only
  proposing, selecting, storing and reading is left; and one `autoshrink propose` as a process, as a rule runs it;
- workers: the graph played on 1, 8 and 64 workers with those costs and a training time per candidate: planning
  before the first job, what Snakemake itself takes for a job (one after another, for it is one process), a process's
  start, and the forced writes of proposals, rounds and evaluations; on a cluster, a queue's overhead for each
  evaluation job beside that. It is a simulation: no node fails, and the file system is this machine's.
"""

import heapq
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from autoshrink import params
from autoshrink.evaluation.store import Identity, Store
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.evaluation import EvaluationJob, TrialResult
from autoshrink.records.proposal import Proposal
from autoshrink.search import rounds
from autoshrink.study.tables import MadeTable
from autoshrink.workflow.layout import Layout

Found = TypeVar("Found")
ROOT = Path(__file__).resolve().parents[1]
SEARCHES, CANDIDATES, K = 64, 256, 16
ROUNDS = CANDIDATES // K
JOB_SIZES = (16, 4, 2, 1)
WORKERS = (1, 8, 64)
TRAINING_SECONDS = (4.0, 60.0)
"""Per candidate: of the default proxy on a CPU core, and of a longer one."""
QUEUE_SECONDS = (0.0, 13.0)
"""From an evaluation job's submission to its start and from its end to Snakemake's notice: on one machine, and as
measured on a SLURM without other users (benchmarks/README.md)."""
TRIVIAL = 100
"""Jobs that are run to see what Snakemake takes for one."""
SETTINGS = [
    f"search.seeds=[{', '.join(map(str, range(SEARCHES)))}]",
    "search.cnn.strategy=random",
    f"search.cnn.k={K}",
    f"search.strategies.random.rounds={ROUNDS}",
    "search.cnn.nodes=8",
    "search.cnn.finalists=null",
    "tasks=[cnn]",
]


def cpu(who: int) -> float:
    """Return the CPU seconds of this process, or of its children that ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def dry_run(folder: Path, size: int) -> dict[str, float]:
    """Return how many steps Snakemake plans with ``size`` candidates per evaluation job, and what planning takes."""
    overlay = folder / f"scale-{size}.yaml"
    chosen = params.load([], [*SETTINGS, f"search.slots_per_job={size}"]).model_dump(mode="json")
    overlay.write_text(json.dumps(chosen))
    goals = [f"results/cnn/random-{seed}/best.json" for seed in range(SEARCHES)]
    program = str(Path(sys.executable).parent / "snakemake")
    command = [program, "--snakefile", str(ROOT / "Snakefile"), *goals, "--configfile", str(overlay)]
    command += ["--dry-run", "--quiet", "rules", "--cores", "1"]
    before, started = cpu(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    found = re.search(r"^total +(\d+)", done.stdout, re.MULTILINE)
    assert found is not None, "Snakemake counts its jobs"
    return {
        "slots_per_job": size,
        "steps": int(found[1]),
        "cpu_seconds": round(cpu(resource.RUSAGE_CHILDREN) - before, 1),
        "wall_seconds": round(time.monotonic() - started, 1),
        # of the largest child so far: sizes ascend in steps
        "peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }


class Clock:
    """Adds up what each kind of work takes."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self.count: dict[str, int] = {}

    def time(self, kind: str, work: Callable[..., Found], *arguments: Any) -> Found:
        """Do the work, and add what it took."""
        started, used = time.perf_counter(), time.process_time()
        result = work(*arguments)
        self.cpu[kind] = self.cpu.get(kind, 0.0) + time.process_time() - used
        self.wall[kind] = self.wall.get(kind, 0.0) + time.perf_counter() - started
        self.count[kind] = self.count.get(kind, 0) + 1
        return result

    def table(self) -> dict[str, dict[str, float]]:
        """Return, by kind, how often it was done and its milliseconds each."""
        return {
            kind: {
                "times": count,
                "cpu_ms": round(1000 * self.cpu[kind] / count, 2),
                "wall_ms": round(1000 * self.wall[kind] / count, 2),
            }
            for kind, count in self.count.items()
        }


def search(parameters: Parameters, name: rounds.SearchName, folder: Path, store: Store, clock: Clock) -> None:
    """Run one search through its files, a job of K candidates per round."""
    layout, table = Layout.of(parameters).at(folder), MadeTable(parameters.search.cnn.operators)
    files = layout.search(name.task, name)
    recipe = parameters.proxy.cnn
    clock.time("start", rounds.start, parameters, name, files.round(0).state)
    for number in range(1, ROUNDS + 1):
        before, here = files.round(number - 1).state, files.round(number)
        clock.time("propose", rounds.propose, parameters, name, before, here.proposal)
        evaluations = {}
        for item in Proposal.read(here.proposal).candidates:
            made = table.look_up(item.cell, None)
            identity = Identity(name.task, item.key, recipe, "0" * 64, parameters.seed, parameters.paper_defects)
            found = clock.time("store, look up", store.get, identity)
            if found is None:
                history = tuple({"epoch": epoch, "loss": 1.0} for epoch in range(made.epochs))
                result = TrialResult(metrics=made.metrics, history=history, stopped=None, costs=made.costs)
                found = clock.time("store, keep", store.put, identity, result)
            evaluations[item.slot] = found
        job = EvaluationJob.of(name.task, str(name), number, evaluations)
        clock.time("evaluations' file", job.write, here.evaluations(0))
        clock.time("select", rounds.select, parameters, name, before, here.proposal, evaluations, here.state)
    states = [files.round(number).state for number in range(1, ROUNDS + 1)]
    clock.time("best", rounds.best, name, states, files.best)


def process_seconds(folder: Path, parameters: Parameters) -> float:
    """Return the CPU seconds of one `autoshrink propose`, imports and lineage record included: the median of five."""
    snapshot = params.freeze(parameters, folder)
    taken = []
    for attempt in range(5):
        name = rounds.SearchName(Task.CNN, "random", attempt)
        place = folder / f"process-{attempt}"
        state = place / "round-00" / "round.json"
        rounds.start(parameters, name, state)
        command = [str(Path(sys.executable).parent / "autoshrink"), "propose", "--params", str(snapshot)]
        command += ["--task", "cnn", "--search", str(name), "--previous", str(state)]
        command += ["--out", str(place / "round-01" / "proposal.json")]
        before = cpu(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(done.stderr[-2000:])
        taken.append(cpu(resource.RUSAGE_CHILDREN) - before)
    return sorted(taken)[2]


def snakemake_seconds(folder: Path) -> float:
    """Return the CPU seconds that Snakemake's own process takes for a job, from scheduling to its outputs' check."""
    taken = []
    for count in (1, TRIVIAL + 1):
        place = folder / f"trivial-{count}"
        place.mkdir()
        rules = f"N = {count}\nrule all:\n    input: expand('out/{{n}}', n=range(N))\n"
        (place / "Snakefile").write_text(f"{rules}rule one:\n    output: touch('out/{{n}}')\n    shell: ':'\n")
        command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "1", "--quiet", "all"]
        before = cpu(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(done.stderr[-2000:])
        taken.append(cpu(resource.RUSAGE_CHILDREN) - before)
    return (taken[1] - taken[0]) / TRIVIAL


@dataclass(frozen=True)
class Overheads:
    """Seconds beside training."""

    planning: float
    """Of the graph, before the first job."""
    job: float
    """Of Snakemake's one process, for each job."""
    process: float
    """Of a process's start."""
    proposing: float
    """Of reading, proposing, selecting and writing a round, on the clock."""
    keeping: float
    """Of an evaluation's forced write."""
    queue: float
    """Of an evaluation job's way through a queue."""


def play(workers: int, size: int, training: float, beside: Overheads, host: int = 2) -> dict[str, float]:
    """Return how long all searches take on so many workers, and what share of their time they train.

    Every job passes Snakemake's one process first. Evaluation jobs start a process, train ``size`` candidates in turn
    and keep them; propose and select are processes on the submitting machine, ``host`` at a time. Each search waits for
    its own round alone.
    """
    jobs = K // size
    waiting: dict[str, deque[tuple[float, int]]] = {"host": deque(), "worker": deque()}
    free = {"host": host, "worker": workers}
    scheduler = beside.planning
    left = [ROUNDS] * SEARCHES
    open_jobs = [0] * SEARCHES
    events: list[tuple[float, int, str, int]] = []
    number, now = 0, beside.planning

    def begin() -> None:
        nonlocal number, scheduler
        for kind, queue in waiting.items():
            while free[kind] and queue:
                duration, search = queue.popleft()
                free[kind] -= 1
                number += 1
                scheduler = max(scheduler, now) + beside.job
                heapq.heappush(events, (scheduler + duration, number, kind, search))

    for index in range(SEARCHES):
        waiting["host"].append((beside.process + beside.proposing, index))
    begin()
    while events:
        now, _, kind, index = heapq.heappop(events)
        free[kind] += 1
        if kind == "host":  # select and the next propose are counted as one visit
            if left[index]:
                left[index] -= 1
                open_jobs[index] = jobs
                seconds = beside.queue + beside.process + size * (training + beside.keeping)
                waiting["worker"].extend([(seconds, index)] * jobs)
        else:
            open_jobs[index] -= 1
            if not open_jobs[index]:
                # two jobs for Snakemake
                scheduler = max(scheduler, now) + beside.job
                waiting["host"].append((2 * (beside.process + beside.proposing), index))
        begin()
    busy = SEARCHES * CANDIDATES * training
    return {
        "workers": workers,
        "slots_per_job": size,
        "training_seconds": training,
        "queue_seconds": beside.queue,
        "hours": round(now / 3600, 2),
        "share_training": round(busy / (workers * now), 3),
    }


def files_and_bytes(folder: Path) -> tuple[int, int]:
    """Return how many files a folder holds, and their bytes on the disk."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return len(found), sum(512 * status.st_blocks for status in found)


def measured(sizes: Sequence[int]) -> dict[str, Any]:
    """Measure all three parts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "params.default.yaml", folder / "params.yaml")
        graph = []
        for size in sizes:
            graph.append(dry_run(folder, size))
            click.echo(graph[-1])
        parameters = params.load([], [*SETTINGS, f"search.slots_per_job={K}"])
        clock, store = Clock(), Store(folder / "store")
        for search_name in rounds.searches(parameters, Task.CNN):
            search(parameters, search_name, folder / "results", store, clock)
        process = process_seconds(folder, parameters)
        kept = {place: files_and_bytes(folder / place) for place in ("results", "store")}
        one = snakemake_seconds(folder)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "searches": SEARCHES,
        "candidates_each": CANDIDATES,
        "graph": graph,
        "files": clock.table(),
        "process_cpu_seconds": round(process, 2),
        "kept": {place: {"files": count, "mib": round(size / 2**20, 1)} for place, (count, size) in kept.items()},
        "snakemake_cpu_seconds_per_job": round(one, 4),
        "simulated": simulated(graph, clock.table(), process, one),
    }


def simulated(
    graph: Sequence[dict[str, float]], files: dict[str, dict[str, float]], process: float, job: float
) -> list[dict[str, float]]:
    """Play all settings whose graph was measured."""
    planning = {int(row["slots_per_job"]): row["cpu_seconds"] for row in graph}
    proposing = (files["propose"]["wall_ms"] + files["select"]["wall_ms"]) / 2000
    found = []
    for queue in QUEUE_SECONDS:
        for training in TRAINING_SECONDS:
            for size in (16, 1):
                keeping = files["store, keep"]["wall_ms"] / 1000
                beside = Overheads(planning[size], job, process, proposing, keeping, queue)
                found += [play(workers, size, training, beside) for workers in WORKERS]
    return found


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The JSON file to write.")
@click.option("--sizes", default=",".join(map(str, JOB_SIZES)), show_default=True, help="Candidates per job.")
def main(out: Path, sizes: str) -> None:
    """Measure and simulate; print the figures and keep them."""
    found = measured([int(size) for size in sizes.split(",")])
    text = json.dumps(found, indent=1) + "\n"
    click.echo(text)
    out.write_text(text)


if __name__ == "__main__":
    main()

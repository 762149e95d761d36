"""The ways of training a round's candidates that are compared, each run in fresh processes that start together."""

import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

from autoshrink.cells.cell import Cell
from autoshrink.evaluation.scheduler import train as train_together
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.root import Compute
from autoshrink.runtime import devices, seeds

from . import plain

GIBIBYTE = 2**30


@dataclass(frozen=True)
class Job:
    """What one process trains: these candidates (cell, seed), by the engine or by the plain loop."""

    task: Task
    recipe: Any
    drawn: Any
    candidates: tuple[tuple[Cell, int], ...]
    compute: Compute
    is_plain: bool


@dataclass(frozen=True)
class Measured:
    """What a way came to: wall and CPU seconds of all processes, epochs, greatest memory in GiB, and the histories."""

    seconds: float
    cpu_seconds: float
    epochs: int
    memory_gib: float
    histories: list[list[dict[str, Any]]]

    @property
    def rate(self) -> float:
        """Candidate-epochs per second."""
        return self.epochs / self.seconds


def engine(
    task: Task, recipe: Any, drawn: Any, candidates: list[tuple[Cell, int]], compute: Compute, jobs: int
) -> Measured:
    """Train with the engine, the candidates spread over ``jobs`` evaluation jobs at a time, as Snakemake does."""
    parts = [tuple(candidates[start::jobs]) for start in range(min(jobs, len(candidates)))]
    return _run([Job(task, recipe, drawn, part, compute, False) for part in parts])


def in_turn(task: Task, recipe: Any, drawn: Any, candidates: list[tuple[Cell, int]], compute: Compute) -> Measured:
    """Train with the plain loop, one candidate after another, on torch's default number of threads."""
    return _run([Job(task, recipe, drawn, tuple(candidates), compute, True)])


def processes(task: Task, recipe: Any, drawn: Any, candidates: list[tuple[Cell, int]], compute: Compute) -> Measured:
    """Train with the plain loop, every candidate in a process of its own (one thread each on a CPU)."""
    alone = compute.model_copy(update={"threads": 1})
    return _run([Job(task, recipe, drawn, (candidate,), alone, True) for candidate in candidates])


def candidates_of(task: Task, parameters: Parameters, k: int) -> list[tuple[Cell, int]]:
    """Return k candidates of the first round: complete cells that lack one edge, each with a seed of its own."""
    search = parameters.search.cnn if task is Task.CNN else parameters.search.rnn
    names = [search.operators[index % len(search.operators)] for index in range(search.nodes - 1)]
    complete = Cell.complete(seeds.shuffled(parameters.seed, "benchmark/operators", names))
    edges = seeds.shuffled(parameters.seed, "benchmark/edges", complete.edges)
    cells = [complete.without(edges[index % len(edges)]).pruned().canonical() for index in range(k)]
    return [(cell, seeds.derive(parameters.seed, f"benchmark/{index}")) for index, cell in enumerate(cells)]


def device_name(device: torch.device) -> str:
    """Return the hardware's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    described = (
        subprocess.run(["lscpu"], capture_output=True, text=True).stdout if Path("/proc/cpuinfo").exists() else ""
    )
    names = [line.split(":")[1].strip() for line in described.splitlines() if line.startswith("Model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads by default"


def _run(jobs: Iterable[Job]) -> Measured:
    context = multiprocessing.get_context("spawn")
    pipes = []
    for job in jobs:
        pipe, far = context.Pipe()
        process = context.Process(target=_child, args=(far, job), daemon=True)
        process.start()
        pipes.append((pipe, process))
    for pipe, _ in pipes:
        pipe.recv()  # everything is imported and on the device
    started = time.perf_counter()
    for pipe, _ in pipes:
        pipe.send("go")
    found = [pipe.recv() for pipe, _ in pipes]
    seconds = time.perf_counter() - started
    for _, process in pipes:
        process.join()
    # candidates were dealt out to the jobs in turn
    histories = [part[index] for index in range(len(found[0][0])) for part, _, _ in found if index < len(part)]
    memory, cpu_seconds = (sum(item[place] for item in found) for place in (1, 2))
    return Measured(seconds, cpu_seconds, sum(map(len, histories)), memory, histories)


def _child(pipe: "Connection[Any, Any]", job: Job) -> None:
    """Train a job's candidates when told to, and send back their histories and the greatest memory taken."""
    from functools import partial

    from autoshrink.costs import counting  # noqa: F401 - imported when first used otherwise, inside what is timed
    from autoshrink.tasks.language import proxy as language_proxy
    from autoshrink.tasks.vision import proxy as vision_proxy

    if job.is_plain and not torch.cuda.is_available():
        device = torch.device("cpu")
        torch.set_num_threads(job.compute.threads)
    else:
        device = devices.pick(job.compute)
    drawn = job.drawn
    if device.type == "cuda" and job.task is Task.CNN:
        drawn = drawn.to(device)
    trial: Any = vision_proxy.ImageTrial if job.task is Task.CNN else language_proxy.LanguageTrial
    pipe.send("ready")
    pipe.recv()
    started = time.process_time()
    histories: dict[str, list[dict[str, Any]]] = {}
    if job.is_plain:
        train = plain.train_images if job.task is Task.CNN else plain.train_text
        for number, (cell, seed) in enumerate(job.candidates):
            histories[str(number)] = train(cell, job.recipe, drawn, seed, device)
    else:
        deterministic = job.compute.deterministic
        work = iter(
            [
                (str(number), partial(trial, cell, job.recipe, drawn, seed, device, deterministic))
                for number, (cell, seed) in enumerate(job.candidates)
            ]
        )
        for progress in train_together(work, len(job.candidates), job.compute, device):
            if progress.result is not None:
                histories[progress.key] = [dict(entry) for entry in progress.result.history]
    if device.type == "cuda":
        torch.cuda.synchronize()
        memory = torch.cuda.max_memory_reserved() / GIBIBYTE
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cpu_seconds = time.process_time() - started
    pipe.send(([histories[str(number)] for number in range(len(job.candidates))], memory, cpu_seconds))

"""Resources of each step: minutes, memory and GPUs, estimated from the parameters.

Generous on purpose: they are limits to schedule by, not predictions. A task's own estimates are for one CPU core; where
``compute.device`` is ``cuda`` a GPU is taken to be ``GPU_SPEED`` times as fast.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from autoshrink.params.base import Task
from autoshrink.params.root import Parameters
from autoshrink.runtime import gpus as visible
from autoshrink.search import finalists, rounds
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow import attempts

GPU_SPEED = 20.0
# nobody's queue takes longer jobs gladly; a training that needs more goes on from its checkpoint in the next job
LONGEST = 24 * 60
# a process that decodes images, megabytes
LOADER = 400
# the final training's steps, which read its data
TRAINED = ("train", "train-reference", "test", "test-reference")
LIGHT = {"runtime": 10, "mem_mb": 1000, "gpu": 0}


def of(
    parameters: Parameters,
    step: str,
    task: str | None,
    ended: Sequence[str] = (),
    limits: attempts.Limits = attempts.UNLIMITED,
    processes: int = 1,
) -> dict[str, int]:
    """Return ``runtime`` (minutes), ``mem_mb`` and ``gpu`` of a step: prepare, evaluate, train, test or a light one.

    After attempts that ``ended`` for lack of one of them it is more (``attempts.grown``), within the ``limits``. Memory
    is that of one node, on which a training has so many ``processes``.
    """
    first = _first(parameters, step, task)
    first["mem_mb"] = processes * (first["mem_mb"] + LOADER * loaders(parameters, step, task))
    return attempts.grown(first, ended, limits, LONGEST)


def cpus(parameters: Parameters, step: str, task: str | None, processes: int = 1) -> int:
    """Return the CPUs that a step uses on a node: each of its processes' threads, and those that load for it.

    Finalists by the final recipe are trained one after another, on one thread.
    """
    threads = 1 if _repeats_the_final_recipe(parameters, step, task) else parameters.compute.threads
    return processes * (threads + loaders(parameters, step, task))


def loaders(parameters: Parameters, step: str, task: str | None) -> int:
    """Return how many processes read and decode for each process of a step."""
    if task is None or not (step in TRAINED or _repeats_the_final_recipe(parameters, step, task)):
        return 0
    return spec_of(Task(task)).workload(parameters).loaders


def processes(parameters: Parameters, asked: Mapping[str, Any]) -> int | None:
    """Return how many processes a run's final training has (``bin/launch``): one for each GPU, on all its nodes.

    ``asked`` are the resources that the user gave the rule ``train``. None where they are no plain numbers.
    """
    on_a_node = processes_on_a_node(parameters, asked)
    try:
        return None if on_a_node is None else int(asked.get("nodes", 1)) * on_a_node
    except ValueError:
        return None


def processes_on_a_node(parameters: Parameters, asked: Mapping[str, Any]) -> int | None:
    """Return how many of these processes each node has; None where the resources asked for are no plain numbers."""
    default = _first(parameters, "train", parameters.tasks[0])["gpu"]
    by_node = re.fullmatch(r"[\"']*gpu:(?:[^:]+:)?(\d+)[\"']*", str(asked.get("gres", "")))
    try:
        gpu = int(by_node[1]) if by_node else int(asked.get("gpu", default))
        return gpu or max(gpus(), 1)
    except ValueError:
        return None  # an expression that Snakemake evaluates for the job


def _first(parameters: Parameters, step: str, task: str | None) -> dict[str, int]:
    """Return what a step's first attempt gets."""
    device = parameters.compute.device
    speed = GPU_SPEED if device == "cuda" else 1.0
    gpu = int(device == "cuda" or (device == "auto" and gpus() > 0))
    if step == "prepare":
        return {"runtime": 120, "mem_mb": 8000, "gpu": 0}
    if step not in ("evaluate", "repeat", "train", "train-reference", "test", "test-reference"):
        return dict(LIGHT)
    assert task is not None
    work = spec_of(Task(task)).workload(parameters)
    if step in ("evaluate", "repeat"):
        section = rounds.section_of(parameters, Task(task))
        slots = section.finalists.slots if step == "repeat" and section.finalists else section.k
        count = parameters.search.candidates_per_job(slots)
        if _repeats_the_final_recipe(parameters, step, task):
            runtime = _minutes(count * finalists.share(parameters, Task(task)) * work.proxy_minutes / speed)
            return {"runtime": runtime, "mem_mb": 2 * work.proxy_megabytes, "gpu": gpu}
        minutes = count * work.proxy_minutes / speed
        return {"runtime": _minutes(minutes), "mem_mb": work.proxy_megabytes, "gpu": gpu}
    minutes = work.training_minutes / speed
    runtime = _minutes(minutes) if step.startswith("train") else _minutes(minutes / 10)
    return {"runtime": runtime, "mem_mb": 2 * work.proxy_megabytes, "gpu": gpu}


def _repeats_the_final_recipe(parameters: Parameters, step: str, task: str | None) -> bool:
    return step == "repeat" and task is not None and finalists.by_final_recipe(parameters, Task(task))


@cache
def gpus() -> int:
    """Return how many NVIDIA GPUs this process may use, without waking any of them."""
    return visible.count()


def _minutes(estimate: float) -> int:
    return int(min(10 + estimate, LONGEST))

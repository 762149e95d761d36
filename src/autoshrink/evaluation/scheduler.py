"""Train the candidates that the store lacks, scheduled to suit the device; store each as soon as it is done."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError
from autoshrink.evaluation import lanes, workers, zero_cost
from autoshrink.evaluation.store import Identity, Store
from autoshrink.params.root import Compute
from autoshrink.params.sections import TaskProxy
from autoshrink.records.evaluation import EpochEntry, Evaluation, TrialResult
from autoshrink.records.timing import TrialTiming
from autoshrink.runtime import devices
from autoshrink.tasks.spec import ProxyTrial, spec_of

Work = Iterator[tuple[str, Callable[[], ProxyTrial]]]
GIBIBYTE = 2**30


def fill(
    store: Store,
    wanted: Mapping[str, tuple[Identity, Cell]],
    drawn: Any,
    compute: Compute,
    tell: Callable[[str, EpochEntry], None],
) -> Iterator[tuple[str, Evaluation, TrialTiming]]:
    """Evaluate the candidates ``wanted``, by their identities' keys; yield each one's key, evaluation and timing.

    ``drawn`` is the proxy's data; ``tell`` hears of every epoch. What another process puts into the store meanwhile is
    taken from it.
    """
    device = devices.pick(compute)
    if device.type == "cuda" and wanted:
        drawn = spec_of(next(iter(wanted.values()))[0].task).to_device(drawn, device)

    def finished(key: str, result: TrialResult, seconds: float) -> tuple[str, Evaluation, TrialTiming]:
        timing = TrialTiming(device_seconds=round(seconds, 3), device=str(device))
        # the timing first: an evaluation that is there has all that belongs to it
        store.put_timing(wanted[key][0], timing)
        evaluation = store.put(wanted[key][0], result)
        return key, evaluation, timing

    quicker: list[str] = []
    trained: dict[str, tuple[Identity, Cell]] = {}
    for key, (identity, cell) in wanted.items():
        if identity.zero_cost is None:
            trained[key] = identity, cell
            continue
        started = time.perf_counter()
        seed = identity.candidate_seed
        assert isinstance(identity.proxy, TaskProxy)
        result = zero_cost.evaluate(identity.task, cell, identity.proxy, drawn, seed, device, identity.zero_cost)
        yield finished(key, result, time.perf_counter() - started)

    def work() -> Work:
        for key, (identity, cell) in trained.items():
            if store.get(identity) is not None:
                quicker.append(key)
                continue
            spec, deterministic = spec_of(identity.task), compute.deterministic
            about = (cell, identity.proxy, drawn, identity.candidate_seed, device, deterministic)
            if identity.edge_tuning is None:
                yield key, partial(spec.trial, *about)
            else:
                yield key, partial(spec.edge_trial, *about, identity.edge_tuning)

    for progress in train(work(), len(trained), compute, device):
        if progress.result is None:
            tell(progress.key, progress.entry)
        else:
            yield finished(progress.key, progress.result, progress.seconds)
    for key in quicker:
        evaluation = store.get(trained[key][0])
        if evaluation is None:
            raise ArtifactError(f"{store.path(key)}: has vanished while it was waited for; run again")
        yield key, evaluation, store.timing(trained[key][0])


def train(work: Work, count: int, compute: Compute, device: torch.device) -> Iterator[lanes.Progress[str]]:
    """Train ``count`` candidates at most: on streams on a CUDA device, in processes on several CPU threads, or in turn.

    On a CPU a candidate has one thread, whatever ``compute.threads``, so that its numbers never depend on it.
    """
    if device.type == "cuda":
        limit = compute.max_memory_gib
        memory = lanes.DeviceMemory(None if limit is None else limit * GIBIBYTE)
        streams, graphs = lanes.Streams(), compute.cuda_graphs
        on_streams = ((key, partial(lanes.GraphLane, make, streams, graphs=graphs)) for key, make in work)
        return lanes.side_by_side(on_streams, memory)
    processes = min(compute.threads, count)
    if processes > 1:
        return workers.in_processes(work, processes)
    devices.set_threads(1)
    return lanes.in_turn(work)

"""Train a job's candidates concurrently; each result is identical to training alone.

On a CPU, candidates run sequentially or in single-threaded processes (``workers``). On a CUDA device, which one small
network would leave idle between launches, each candidate has a lane: its own stream, on which a repeated step is
captured as a CUDA graph and replayed with one launch. Numbers reach the host only at the end of an epoch.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from autoshrink.records.evaluation import EpochEntry, TrialResult
from autoshrink.tasks.spec import ProxyTrial

Key = TypeVar("Key")


@dataclass(frozen=True)
class Progress(Generic[Key]):
    """A candidate ended an epoch, or, with ``result``, its training, which took ``seconds`` of the device."""

    key: Key
    entry: EpochEntry
    result: TrialResult | None = None
    seconds: float = 0.0


def in_turn(work: Iterable[tuple[Key, Callable[[], ProxyTrial]]]) -> Iterator[Progress[Key]]:
    """Train one candidate after another."""
    for key, make in work:
        started = time.perf_counter()
        candidate = make()
        entry: EpochEntry = {}
        while not candidate.done:
            entry = candidate.run_epoch()
            yield Progress(key, entry)
        yield Progress(key, entry, candidate.result(), time.perf_counter() - started)


class Lane(Protocol):
    """Where one candidate trains: launches an epoch without waiting, and waits for it."""

    @property
    def done(self) -> bool:
        """Whether the candidate has no further epoch."""
        ...

    def launch_epoch(self) -> None:
        """Launch the next epoch."""
        ...

    def end_epoch(self) -> EpochEntry:
        """Wait for the epoch launched and return its record."""
        ...

    def result(self) -> TrialResult:
        """Return what the candidate came to."""
        ...


class Memory(Protocol):
    """The memory that lanes share."""

    def has_space(self) -> bool:
        """Whether one more candidate, as large as the largest so far, fits."""
        ...

    def note(self) -> None:
        """Note what the candidate just let in has taken."""
        ...


def side_by_side(
    work: Iterable[tuple[Key, Callable[[], Lane]]], memory: Memory, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Progress[Key]]:
    """Train as many candidates at a time as fit into memory; a finished one makes way for the next.

    One candidate always runs, whatever the memory. While the host waits for one lane's epoch, the others run.
    Time is shared out equally among the lanes of the moment, so that all seconds sum up to the device's.
    """
    waiting = iter(work)
    lanes: dict[Key, Lane] = {}
    seconds: dict[Key, float] = {}
    now = clock()

    def share() -> None:
        nonlocal now
        before, now = now, clock()
        for key in lanes:
            seconds[key] += (now - before) / len(lanes)

    def admit() -> None:
        while memory.has_space() or not lanes:
            following = next(waiting, None)
            if following is None:
                return
            key, make = following
            share()
            seconds[key] = 0.0
            lanes[key] = make()
            lanes[key].launch_epoch()
            memory.note()

    admit()
    while lanes:
        for key in list(lanes):
            entry = lanes[key].end_epoch()
            share()
            yield Progress(key, entry)
            if not lanes[key].done:
                lanes[key].launch_epoch()
                continue
            result = lanes.pop(key).result()
            yield Progress(key, entry, result, seconds[key])
            admit()


class DeviceMemory:
    """A CUDA device's memory, of which this process may take ``limit`` bytes (None: nine tenths of what is free)."""

    def __init__(self, limit: float | None) -> None:
        self._limit = 0.9 * torch.cuda.mem_get_info()[0] if limit is None else limit
        self._before, self._largest = 0, 0

    def has_space(self) -> bool:
        """Whether one more candidate, as large as the largest so far, fits."""
        if torch.cuda.memory_reserved() + self._largest > self._limit:
            torch.cuda.empty_cache()  # what those who left had
        self._before = torch.cuda.memory_reserved()
        return self._before + self._largest <= self._limit

    def note(self) -> None:
        """Note what the candidate just let in has taken; the host knows that before the device has computed it."""
        self._largest = max(self._largest, torch.cuda.memory_reserved() - self._before)


class GraphLane:
    """A candidate on a CUDA stream of its own. A step that comes a second time is captured, and from then on replayed.

    The first time it runs kernel by kernel: libraries then choose their kernels and the optimizer makes its state,
    which a graph cannot hold. Steps that never come again, such as a text's last short sequence, need no graph.
    """

    def __init__(self, make: Callable[[], ProxyTrial], *, graphs: bool) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream())  # the data was brought there
        self._seen: set[tuple[str, int]] = set()
        self._captured: dict[tuple[str, int], torch.cuda.CUDAGraph] = {}
        self._graphs = graphs
        with torch.cuda.stream(self._stream):
            self._candidate = make()

    @property
    def done(self) -> bool:
        """Whether the candidate has no further epoch."""
        return self._candidate.done

    def launch_epoch(self) -> None:
        """Launch the next epoch's steps."""
        with torch.cuda.stream(self._stream):
            for step in self._candidate.begin_epoch():
                if self._graphs and step in self._seen and step not in self._captured:
                    self._captured[step] = self._capture(step)
                if step in self._captured:
                    self._captured[step].replay()
                else:
                    self._candidate.run(step)
                    self._seen.add(step)

    def end_epoch(self) -> EpochEntry:
        """Wait for the epoch launched and return its record."""
        with torch.cuda.stream(self._stream):
            return self._candidate.end_epoch()

    def result(self) -> TrialResult:
        """Return what the candidate came to."""
        return self._candidate.result()

    def _capture(self, step: tuple[str, int]) -> torch.cuda.CUDAGraph:
        # one pool of memory for a candidate's graphs: they never run at once, and leave nothing in it for each other
        pool = next((graph.pool() for graph in self._captured.values()), None)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, stream=self._stream):
            self._candidate.run(step)
        return graph

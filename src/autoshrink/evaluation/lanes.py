"""Train a job's candidates concurrently; each result is identical to training alone.

On a CPU, candidates run sequentially or in single-threaded processes (``workers``). On a CUDA device, which one small
network would leave idle between launches, each candidate has a lane: its own stream, on which a repeated step is
captured as a CUDA graph and replayed with one launch. Numbers reach the host only at the end of an epoch.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from autoshrink.errors import UserError
from autoshrink.records.evaluation import EpochEntry, TrialResult
from autoshrink.tasks.spec import ProxyTrial

Key = TypeVar("Key")

LANES = 32
"""Lanes at a time: torch has as many streams, and the next lane would share one."""

log = logging.getLogger(__name__)


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

    def close(self) -> None:
        """Wait for what was launched, and let go of what the lane holds."""
        ...


class Memory(Protocol):
    """The memory that lanes share."""

    def has_space(self, running: int) -> bool:
        """Whether one more candidate, as large as the largest so far, fits beside ``running`` others."""
        ...

    def charged(self, lane: int) -> AbstractContextManager[None]:
        """Count what is taken inside the block as the lane's."""
        ...

    def ran_out(self, running: int) -> None:
        """Take note that ``running`` candidates and one more were too many."""
        ...


@dataclass
class _Seat(Generic[Key]):
    """A candidate that waits or trains."""

    key: Key
    make: Callable[[], Lane]
    number: int
    seconds: float = 0.0
    lane: Lane | None = None


def side_by_side(
    work: Iterable[tuple[Key, Callable[[], Lane]]], memory: Memory, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Progress[Key]]:
    """Train as many candidates at a time as fit into memory; a finished one makes way for the next.

    One candidate always runs, whatever the memory. While the host waits for one lane's epoch, the others run.
    Time is shared out equally among the lanes of the moment, so that all seconds sum up to the device's. A candidate
    that finds no memory left beside others restarts when one of them is done; raises UserError where it finds
    none alone.
    """
    waiting = (_Seat(key, make, number) for number, (key, make) in enumerate(work))
    returned: deque[_Seat[Key]] = deque()
    training: list[_Seat[Key]] = []
    now = clock()

    def share() -> None:
        nonlocal now
        before, now = now, clock()
        for seat in training:
            seat.seconds += (now - before) / len(training)

    def launch(seat: _Seat[Key]) -> bool:
        """Launch the candidate's next epoch; False where memory ran out and it must restart."""
        try:
            with memory.charged(seat.number):
                if seat.lane is None:
                    seat.lane = seat.make()
                seat.lane.launch_epoch()
            return True
        except torch.OutOfMemoryError as error:
            why = str(error).split(". ")[0]
        # only now is the error gone, and with it the frames that hold the candidate's tensors
        if seat.lane is not None:
            seat.lane.close()
        seat.lane = None
        training.remove(seat)
        if not training:
            raise UserError(
                f"a candidate does not fit into the GPU's memory alone ({why}); lower the proxy's batch_size or "
                "network, or take a GPU with more memory"
            )
        log.warning(
            "the GPU's memory ran out with %d candidates; one of them restarts when another is done",
            len(training) + 1,
        )
        memory.ran_out(len(training))
        returned.append(seat)
        return False

    def admit() -> None:
        while memory.has_space(len(training)) or not training:
            seat = returned.popleft() if returned else next(waiting, None)
            if seat is None:
                return
            share()
            training.append(seat)
            if not launch(seat):
                return

    admit()
    while training:
        for seat in list(training):
            assert seat.lane is not None
            entry = seat.lane.end_epoch()
            share()
            yield Progress(seat.key, entry)
            if not seat.lane.done:
                launch(seat)
                continue
            result = seat.lane.result()
            seat.lane.close()
            seat.lane = None
            training.remove(seat)
            yield Progress(seat.key, entry, result, seat.seconds)
            admit()


class DeviceMemory:
    """A CUDA device's memory, of which this process may take ``limit`` bytes (None: nine tenths of what is free)."""

    def __init__(self, limit: float | None) -> None:
        self._limit = 0.9 * torch.cuda.mem_get_info()[0] if limit is None else limit
        self._most = LANES
        self._taken: dict[int, int] = {}

    def has_space(self, running: int) -> bool:
        """Whether one more candidate, as large as the largest so far, fits beside ``running`` others."""
        if running >= self._most:
            return False
        largest = max(self._taken.values(), default=0)
        if torch.cuda.memory_reserved() + largest > self._limit:
            torch.cuda.empty_cache()  # what those who left had
        return torch.cuda.memory_reserved() + largest <= self._limit

    @contextlib.contextmanager
    def charged(self, lane: int) -> Iterator[None]:
        """Count what is reserved inside the block as the lane's, launch by launch, for graphs are captured in several.

        The host knows that before the device has computed anything.
        """
        before = torch.cuda.memory_reserved()
        yield
        grown = torch.cuda.memory_reserved() - before
        self._taken[lane] = self._taken.get(lane, 0) + max(0, grown)

    def ran_out(self, running: int) -> None:
        """Let no more train at a time than ``running``, and free what the one that left had."""
        self._most = running
        torch.cuda.empty_cache()


class Streams:
    """CUDA streams to train on: each is one candidate's at a time, and goes to the next when that one is done."""

    def __init__(self) -> None:
        self._free: list[torch.cuda.Stream] = []

    def take(self) -> torch.cuda.Stream:
        """Return a stream that no other lane has, as long as there are at most ``LANES``."""
        return self._free.pop() if self._free else torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def give_back(self, stream: torch.cuda.Stream) -> None:
        """Return a stream to the pool."""
        self._free.append(stream)


class GraphLane:
    """A candidate on a CUDA stream of its own. A step that comes a second time is captured, and from then on replayed.

    The first time it runs kernel by kernel: libraries then choose their kernels and the optimizer makes its state,
    which a graph cannot hold. Steps that never come again, such as a text's last short sequence, need no graph.
    """

    def __init__(self, make: Callable[[], ProxyTrial], streams: Streams, *, graphs: bool) -> None:
        self._streams, self._graphs = streams, graphs
        self._stream = streams.take()
        self._stream.wait_stream(torch.cuda.current_stream())  # the data was brought there
        self._seen: set[tuple[str, int]] = set()
        self._captured: dict[tuple[str, int], torch.cuda.CUDAGraph] = {}
        try:
            with torch.cuda.stream(self._stream):
                self._candidate = make()
        except BaseException:
            streams.give_back(self._stream)
            raise

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

    def close(self) -> None:
        """Wait for what was launched, then drop the graphs and hand the stream on."""
        self._stream.synchronize()
        self._captured.clear()
        self._streams.give_back(self._stream)

    def _capture(self, step: tuple[str, int]) -> torch.cuda.CUDAGraph:
        """Return the step as a graph. Only this lane is at a standstill, and only the host: no other one waits.

        ``torch.cuda.graph`` would wait for the whole device and empty its cache first, which holds back all lanes
        until the last one has captured its steps.
        """
        # one pool of memory for a candidate's graphs: they never run at once, and leave nothing in it for each other
        pool = next((graph.pool() for graph in self._captured.values()), None)
        graph = torch.cuda.CUDAGraph()
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            self._candidate.run(step)
        except BaseException:
            with contextlib.suppress(RuntimeError):  # the first error is the one to tell
                graph.capture_end()
            raise
        graph.capture_end()
        return graph

"""Candidates trained together: who trains when, and that each ends with what it would have come to alone."""

import contextlib
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch

from autoshrink.errors import UserError
from autoshrink.evaluation import lanes, workers
from tests.unit.evaluation.small_candidates import Make, image_candidates, text_candidates
from tests.waiting import NoWaiting


def results(progress: Iterator[lanes.Progress[int]]) -> dict[int, Any]:
    """Run to the end and return the results by key."""
    return {item.key: item.result for item in progress if item.result is not None}


class Unlimited:
    """Memory without end."""

    def has_space(self, running: int) -> bool:
        """Say that there is space."""
        return True

    def charged(self, lane: int) -> contextlib.AbstractContextManager[None]:
        """Count nothing."""
        return contextlib.nullcontext()

    def ran_out(self, running: int) -> None:
        """Say that this cannot be."""
        raise AssertionError


class FakeGraph:
    """Stands for a CUDA graph: what was captured is done at once and again with every replay."""

    captured: list[Any] = []
    what: Any

    def replay(self) -> None:
        """Do what was captured."""
        candidate, step = self.what
        candidate.run(step)

    def pool(self) -> int:
        """Return the pool's handle."""
        return 1


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put plain stand-ins in the place of streams, which are numbered, and graphs."""
    made = itertools.count()

    class Stream:
        def __init__(self) -> None:
            self.number = next(made)

        def wait_stream(self, other: object) -> None:
            pass

        def synchronize(self) -> None:
            pass

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    FakeGraph.captured = []

    def capture(lane: lanes.GraphLane, step: tuple[str, int]) -> FakeGraph:
        graph = FakeGraph()
        graph.what = lane._candidate, step  # type: ignore[attr-defined]
        FakeGraph.captured.append(step)
        return graph

    monkeypatch.setattr(lanes.GraphLane, "_capture", capture)


@pytest.mark.parametrize(
    "makes", [image_candidates(), image_candidates(0.3), image_candidates(dropout=0.4), text_candidates()]
)
@pytest.mark.usefixtures("fake_cuda")
def test_lanes_of_replayed_steps_equal_candidates_alone(makes: list[Make]) -> None:
    """Steps run blindly to the epoch's end, side by side, give the bytes that each candidate gives alone."""
    alone = results(lanes.in_turn(enumerate(makes)))
    on_streams = ((key, partial(lanes.GraphLane, make, lanes.Streams(), graphs=True)) for key, make in enumerate(makes))
    assert results(lanes.side_by_side(on_streams, Unlimited())) == alone
    assert all(result.history for result in alone.values())


def test_an_epoch_that_ends_early_is_short() -> None:
    """The low ceiling of the test above does end epochs: fewer steps than there are batches."""
    history = results(lanes.in_turn(enumerate(image_candidates(0.3))))[2].history
    assert min(entry["steps"] for entry in history) < 6


@pytest.mark.usefixtures("fake_cuda")
def test_a_step_is_captured_when_it_comes_again() -> None:
    """Each repeated sequence length is captured once, and one that comes but once never."""
    make = text_candidates()[0]
    lane = lanes.GraphLane(make, lanes.Streams(), graphs=True)
    seen: list[tuple[str, int]] = []
    while not lane.done:
        lane.launch_epoch()
        lane.end_epoch()
    candidate = make()
    while not candidate.done:
        steps = candidate.begin_epoch()
        seen += steps
        for step in steps:
            candidate.run(step)
        candidate.end_epoch()
    assert sorted(FakeGraph.captured) == sorted({step for step in seen if seen.count(step) > 1})
    assert lane.result() == candidate.result()


@pytest.mark.parametrize("make", [image_candidates(dropout=0.3)[2], *text_candidates()])
def test_a_step_waits_for_nothing(make: Make) -> None:
    """No step reads a number back or brings one from the host, once its first run has made what it keeps."""
    candidate = make()
    seen = set()
    for step in candidate.begin_epoch():
        if step in seen:
            with NoWaiting():
                candidate.run(step)
        else:
            candidate.run(step)
        seen.add(step)
    candidate.end_epoch()
    for step in candidate.begin_epoch():
        if step in seen:
            with NoWaiting():
                candidate.run(step)


class FakeLane:
    """A lane that trains for a given number of epochs, on a clock that each epoch moves.

    Where ``memory`` is given, each epoch takes one of what it holds, and gives all back at the end.
    """

    def __init__(
        self, name: str, epochs: int, log: list[str], clock: list[float], memory: list[int] | None = None
    ) -> None:
        self.name, self.left, self.log, self.clock, self.memory = name, epochs, log, clock, memory
        self.taken = 0
        log.append(f"+{name}")

    @property
    def done(self) -> bool:
        """Whether no epoch is left."""
        return self.left == 0

    def launch_epoch(self) -> None:
        """Launch one."""
        if self.memory:
            if not self.memory[0]:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            self.memory[0] -= 1
            self.taken += 1
        self.left -= 1

    def end_epoch(self) -> dict[str, Any]:
        """Take a second."""
        self.clock[0] += 1.0
        return {"epoch": 0}

    def result(self) -> dict[str, Any]:
        """Return what there is."""
        return {"name": self.name}

    def close(self) -> None:
        """Say goodbye."""
        self.log.append(f"-{self.name}")
        if self.memory:
            self.memory[0] += self.taken


class Seats:
    """Memory for a given number of candidates."""

    def __init__(self, seats: int) -> None:
        self.seats = seats

    def has_space(self, running: int) -> bool:
        """Whether a seat is free."""
        return running < self.seats

    def charged(self, lane: int) -> contextlib.AbstractContextManager[None]:
        """Count nothing."""
        return contextlib.nullcontext()

    def ran_out(self, running: int) -> None:
        """Take the seats away that were too many."""
        self.seats = running


@pytest.mark.parametrize(("seats", "expected"), [(2, "+a +b -a +c -c +d -b -d"), (0, "+a -a +b -b +c -c +d -d")])
def test_a_finished_candidate_makes_way_for_the_next(seats: int, expected: str) -> None:
    """No more train at a time than fit into memory, one always does, and all device time is shared out."""
    log: list[str] = []
    clock = [0.0]
    work: list[tuple[str, Any]] = [
        (name, partial(FakeLane, name, epochs, log, clock)) for name, epochs in {"a": 1, "b": 3, "c": 1, "d": 2}.items()
    ]
    done = list(lanes.side_by_side(work, Seats(seats), clock=lambda: clock[0]))
    assert " ".join(log) == expected
    assert sum(item.seconds for item in done) == pytest.approx(clock[0])


def test_a_candidate_without_memory_begins_anew_beside_fewer() -> None:
    """Out of memory, at first or later, costs a candidate its start; all end, and no more train at once than went."""
    log: list[str] = []
    clock, memory = [0.0], [5]
    epochs = {"a": 2, "b": 3, "c": 3}
    work: list[tuple[str, Any]] = [
        (name, partial(FakeLane, name, count, log, clock, memory)) for name, count in epochs.items()
    ]
    done = list(lanes.side_by_side(work, Seats(3), clock=lambda: clock[0]))
    assert " ".join(log) == "+a +b +c -c -a +c -b -c"
    assert [item.key for item in done if item.result] == ["a", "b", "c"]
    assert sum(item.seconds for item in done if item.result) == pytest.approx(clock[0])
    assert memory == [5]


def test_a_candidate_too_large_for_the_gpu_is_told() -> None:
    """Alone and out of memory, one line says so and what to do."""
    work: list[tuple[str, Any]] = [("a", partial(FakeLane, "a", 3, [], [0.0], [2]))]
    with pytest.raises(UserError, match=r"does not fit into the GPU's memory alone \(CUDA out of memory\); lower"):
        list(lanes.side_by_side(work, Seats(3)))


def test_memory_counts_all_that_a_lane_takes_over_its_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs captured in later epochs count too, and so does only what the lane itself took."""
    reserved, emptied = [0], []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: reserved[0])
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(reserved[0]))
    memory = lanes.DeviceMemory(100.0)
    for lane, grown in [(0, 20), (1, 10), (0, 15)]:
        with memory.charged(lane):
            reserved[0] += grown
    assert memory.has_space(2) and not emptied  # 45 + 35
    reserved[0] = 66
    assert not memory.has_space(2) and emptied == [66]
    reserved[0] = 0
    assert memory.has_space(31) and not memory.has_space(32)
    memory.ran_out(3)
    assert memory.has_space(2) and not memory.has_space(3)


@pytest.mark.usefixtures("fake_cuda")
def test_streams_are_one_lanes_at_a_time() -> None:
    """A stream goes on to another lane once its own is done; a lane that fails to start frees it too."""
    streams = lanes.Streams()
    make: Any = object
    first, second = (lanes.GraphLane(make, streams, graphs=True) for _ in range(2))
    first.close()
    third = lanes.GraphLane(make, streams, graphs=True)
    numbers = [lane._stream.number for lane in (first, second, third)]  # type: ignore[attr-defined]
    assert numbers == [0, 1, 0]
    with pytest.raises(ZeroDivisionError):
        lanes.GraphLane(partial(divmod, 1, 0), streams, graphs=True)  # type: ignore[arg-type]
    assert streams.take().number == 2  # type: ignore[attr-defined]


def test_a_capture_waits_for_no_other_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins and ends on the lane's own stream, without the device-wide wait of torch's context, also on errors."""
    calls: list[Any] = []

    class Graph:
        def capture_begin(self, **how: Any) -> None:
            calls.append(how)

        def capture_end(self) -> None:
            calls.append("end")

        def pool(self) -> str:
            return "pool"

    class Candidate:
        def run(self, step: tuple[str, int]) -> None:
            calls.append(step)
            if step[1] == 2:
                raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    for waiting in ("graph", "synchronize", "empty_cache"):
        monkeypatch.setattr(torch.cuda, waiting, lambda *_, **__: pytest.fail("waits for the whole device"))
    lane = object.__new__(lanes.GraphLane)
    lane._candidate, lane._captured = Candidate(), {}  # type: ignore[assignment]
    lane._captured["train", 1] = lane._capture(("train", 1))
    with pytest.raises(torch.OutOfMemoryError):
        lane._capture(("train", 2))
    begin = {"capture_error_mode": "thread_local"}
    assert calls == [{"pool": None, **begin}, ("train", 1), "end", {"pool": "pool", **begin}, ("train", 2), "end"]


@pytest.mark.slow
def test_processes_give_what_one_process_gives() -> None:
    """Two processes of one thread train three candidates to the same bytes as one after another."""
    makes = image_candidates()
    assert results(workers.in_processes(enumerate(makes), 2)) == results(lanes.in_turn(enumerate(makes)))


@pytest.mark.slow
def test_a_mistake_in_a_process_is_raised_here() -> None:
    """What a candidate raises in its process reaches the caller as it is."""
    with pytest.raises(ZeroDivisionError):
        list(workers.in_processes([(0, partial(divmod, 1, 0))], 2))  # type: ignore[list-item]

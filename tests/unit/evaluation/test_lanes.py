"""Candidates trained together: who trains when, and that each ends with what it would have come to alone."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch

from autoshrink.evaluation import lanes, workers
from tests.unit.evaluation.small_candidates import Make, image_candidates, text_candidates


def results(progress: Iterator[lanes.Progress[int]]) -> dict[int, Any]:
    """Run to the end and return the results by key."""
    return {item.key: item.result for item in progress if item.result is not None}


class Unlimited:
    """Memory without end."""

    def has_space(self) -> bool:
        """Say that there is space."""
        return True

    def note(self) -> None:
        """Note nothing."""


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
    """Put plain stand-ins in the place of streams and graphs."""

    class Stream:
        def wait_stream(self, other: object) -> None:
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


@pytest.mark.parametrize("makes", [image_candidates(), image_candidates(0.3), text_candidates()])
@pytest.mark.usefixtures("fake_cuda")
def test_lanes_of_replayed_steps_equal_candidates_alone(makes: list[Make]) -> None:
    """Steps run blindly to the epoch's end, side by side, give the bytes that each candidate gives alone."""
    alone = results(lanes.in_turn(enumerate(makes)))
    on_streams = ((key, partial(lanes.GraphLane, make, graphs=True)) for key, make in enumerate(makes))
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
    lane = lanes.GraphLane(make, graphs=True)
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


class FakeLane:
    """A lane that trains for a given number of epochs, on a clock that each epoch moves."""

    def __init__(self, name: str, epochs: int, log: list[str], clock: list[float]) -> None:
        self.name, self.left, self.log, self.clock = name, epochs, log, clock
        log.append(f"+{name}")

    @property
    def done(self) -> bool:
        """Whether no epoch is left."""
        return self.left == 0

    def launch_epoch(self) -> None:
        """Launch one."""
        self.left -= 1

    def end_epoch(self) -> dict[str, Any]:
        """Take a second."""
        self.clock[0] += 1.0
        return {"epoch": 0}

    def result(self) -> dict[str, Any]:
        """Say goodbye."""
        self.log.append(f"-{self.name}")
        return {"name": self.name}


class Seats:
    """Memory for a given number of candidates."""

    def __init__(self, seats: int, log: list[str]) -> None:
        self.seats, self.log = seats, log

    def has_space(self) -> bool:
        """Whether a seat is free."""
        present = sum(1 if entry[0] == "+" else -1 for entry in self.log)
        return present < self.seats

    def note(self) -> None:
        """Note nothing."""


@pytest.mark.parametrize(("seats", "expected"), [(2, "+a +b -a +c -c +d -b -d"), (0, "+a -a +b -b +c -c +d -d")])
def test_a_finished_candidate_makes_way_for_the_next(seats: int, expected: str) -> None:
    """No more train at a time than fit into memory, one always does, and all device time is shared out."""
    log: list[str] = []
    clock = [0.0]
    work: list[tuple[str, Any]] = [
        (name, partial(FakeLane, name, epochs, log, clock)) for name, epochs in {"a": 1, "b": 3, "c": 1, "d": 2}.items()
    ]
    done = list(lanes.side_by_side(work, Seats(seats, log), clock=lambda: clock[0]))
    assert " ".join(log) == expected
    assert sum(item.seconds for item in done) == pytest.approx(clock[0])


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

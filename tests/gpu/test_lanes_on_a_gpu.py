"""What only a CUDA GPU shows of candidates side by side: capture, replay, streams, memory, numbering.

Everything here is skipped elsewhere; ``make test-gpu`` runs it.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from autoshrink.evaluation import lanes, scheduler
from autoshrink.params.language import Dropouts, LanguageNetwork
from autoshrink.records.evaluation import EpochEntry, TrialResult
from autoshrink.tasks.language import dropout
from tests.device import COMPUTE, DEVICE
from tests.unit.evaluation.small_candidates import Make, image_candidates, text_candidates

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES = {
    "images": image_candidates,
    "images whose epochs end early": partial(image_candidates, 0.3),
    "images with dropout": partial(image_candidates, dropout=0.4),
    "text": text_candidates,
}


@pytest.fixture(params=CANDIDATES)
def makes(request: pytest.FixtureRequest) -> list[Make]:
    """What makes some small candidates."""
    return CANDIDATES[request.param]()


def results(progress: Iterator[lanes.Progress[Any]]) -> dict[Any, TrialResult]:
    """Run to the end and return the results by key."""
    return {item.key: item.result for item in progress if item.result is not None}


@pytest.mark.parametrize("graphs", [True, False])
def test_together_equals_alone(makes: list[Make], graphs: bool) -> None:
    """Streams side by side, with captured and replayed steps, give the bits of one candidate after another."""
    alone = results(lanes.in_turn(enumerate(makes)))
    compute = COMPUTE.model_copy(update={"cuda_graphs": graphs})
    work = iter([(str(key), make) for key, make in enumerate(makes)])
    together = results(scheduler.train(work, len(makes), compute, DEVICE))
    assert {int(key): result for key, result in together.items()} == alone


def test_a_gpu_repeats_itself(makes: list[Make]) -> None:
    """With deterministic kernels a candidate trained twice has one history, to the last bit."""
    first, second = (results(lanes.in_turn([(0, makes[-1])])) for _ in range(2))
    assert first == second


def test_replayed_epochs_wait_for_nothing(makes: list[Make]) -> None:
    """From the second epoch on no step makes the host wait: torch raises where one does."""
    lane = lanes.GraphLane(makes[-1], lanes.Streams(), graphs=True)
    lane.launch_epoch()
    lane.end_epoch()
    run = lane._candidate.run

    def watched(step: tuple[str, int]) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            run(step)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    lane._candidate.run = watched  # type: ignore[method-assign]
    while not lane.done:
        lane.launch_epoch()
        lane.end_epoch()
    lane.close()


def test_a_capture_waits_for_no_other_lane() -> None:
    """While another stream is at work, a lane runs, captures and replays its steps."""
    lane = lanes.GraphLane(image_candidates()[0], lanes.Streams(), graphs=True)
    lane.launch_epoch()
    lane.end_epoch()
    lane._captured.clear()
    busy, done = torch.cuda.Stream(), torch.cuda.Event()
    with torch.cuda.stream(busy):
        torch.cuda._sleep(20_000_000_000)  # cycles: some ten seconds
        done.record()
    lane.launch_epoch()
    lane.end_epoch()
    assert lane._captured and not done.query(), "the capture waited for the whole device"
    torch.cuda.synchronize()
    lane.close()


def test_as_many_streams_as_lanes() -> None:
    """Each of them is another one of the device's."""
    streams = lanes.Streams()
    assert len({streams.take().cuda_stream for _ in range(lanes.LANES)}) == lanes.LANES


class Hungry:
    """A candidate whose epochs each take ``size`` more bytes of the device."""

    stopped = None

    def __init__(self, size: int, epochs: int) -> None:
        self._size, self._left, self._held = size, epochs, list[torch.Tensor]()

    @property
    def done(self) -> bool:
        return self._left == 0

    def begin_epoch(self) -> list[tuple[str, int]]:
        return [("take", 1)]

    def run(self, step: tuple[str, int]) -> None:
        self._held.append(torch.empty(self._size, dtype=torch.uint8, device=DEVICE))

    def end_epoch(self) -> EpochEntry:
        self._left -= 1
        return {"epoch": 0}

    def run_epoch(self) -> EpochEntry:
        return self.end_epoch()

    def result(self) -> TrialResult:
        return TrialResult(metrics={"held": len(self._held)}, history=(), stopped=None, costs={})


@pytest.fixture
def gibibyte() -> Iterator[None]:
    """Let this process take a GiB beside what it has."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**30) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.mark.usefixtures("gibibyte")
def test_candidates_that_run_out_of_memory_end_all_the_same() -> None:
    """Three that need 450 MiB each in their third epoch fit into a GiB two at a time: one begins anew."""
    make: Callable[[], Any] = partial(Hungry, 150 * 2**20, 3)
    work = iter([(str(key), make) for key in range(3)])
    compute = COMPUTE.model_copy(update={"cuda_graphs": False})
    found = results(scheduler.train(work, 3, compute, DEVICE))
    assert [found[str(key)].metrics["held"] for key in range(3)] == [3, 3, 3]


def test_a_step_sees_the_gpu_it_was_given() -> None:
    """``gpus`` numbers GPUs as CUDA does: whatever their device files are called, the step finds one and can use it."""
    env = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    script = "import torch; print(torch.cuda.device_count(), torch.ones(3, device='cuda').sum().item())"
    command = [str(ROOT / "workflow/bin/gpus"), "1", sys.executable, "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.stdout == "1 3.0\n", done.stderr


def test_masks_are_drawn_without_waiting() -> None:
    """A sequence's masks come from the device's own generator, by name."""
    names = Dropouts(words=0.1, embedding=0.1, input=0.1, hidden=0.25, output=0.1)
    network = LanguageNetwork(embedding=500, hidden=500)
    torch.cuda.set_sync_debug_mode("error")
    try:
        one, same, other = (dropout.draw(names, network, 9, 40, 1, name, DEVICE).hidden_BN for name in "xxy")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert one is not None and same is not None and other is not None
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert float(one.mean()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_gpu_agrees_with_the_cpu(channels_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first epoch's training loss is the CPU's to single precision's rounding, in both layouts."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    monkeypatch.setattr("autoshrink.runtime.devices._image_layout", layout)
    make: Any = image_candidates()[2]
    cell, settings, data, seed, *_ = make.args
    cpu = torch.device("cpu")
    there = make.func(cell, settings, data, seed, DEVICE, True).run_epoch()
    here = make.func(cell, settings, data.to(cpu), seed, cpu, True).run_epoch()
    assert there["train_loss"] == pytest.approx(here["train_loss"], rel=1e-3)

"""Measured costs, and limits that nothing can meet."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from autoshrink.costs.dataflow import trace
from autoshrink.costs.latency import measure
from autoshrink.costs.memory import arena, flash_bytes, moved_bytes, peak_activation_bytes, peak_operator_bytes
from autoshrink.errors import ParameterError


def test_peak_memory_of_a_chain_and_of_branches() -> None:
    """A chain holds two activations at a time beside its input; a branch that waits is held too; in place is free."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Linear(10, 100), nn.Linear(10, 1)

        def forward(self, x):  # type: ignore[no-untyped-def]
            waiting = self.wide(x)
            return waiting, self.narrow(x), self.narrow(x)

    x = torch.zeros(1, 10)
    chain = [nn.Linear(10, 10) for _ in range(20)]
    assert peak_activation_bytes(nn.Sequential(*chain), [x]) == 4 * 30
    assert peak_activation_bytes(nn.Sequential(nn.Linear(10, 1000), nn.ReLU()), [x]) == 4 * (10 + 2000)
    assert peak_activation_bytes(nn.Sequential(nn.Linear(10, 1000), nn.ReLU(inplace=True)), [x]) == 4 * (10 + 1000)
    assert peak_activation_bytes(Branches(), [x]) == 4 * (10 + 100 + 2)


def test_memory_per_operator_is_what_a_runtime_holds() -> None:
    """One operator's input and output; batch norm, activations, padding and concatenation cost nothing."""

    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
            self.second = nn.Conv2d(8, 8, 1)
            self.last = nn.Conv2d(16, 4, 3)

        def forward(self, x):  # type: ignore[no-untyped-def]
            y = torch.relu(self.norm(self.first(x)))
            joined = torch.cat([y, self.second(y).sigmoid()], 1)
            return self.last(nn.functional.pad(joined, (1, 1, 1, 1)))

    x = torch.zeros(1, 3, 10, 10)
    assert peak_operator_bytes(Cell(), [x]) == 100 * (16 + 4)
    assert peak_operator_bytes(Cell(), [x], bits=32) == 4 * 100 * (16 + 4)
    assert peak_activation_bytes(Cell(), [x]) > 4 * 100 * (16 + 4)
    addition = nn.Linear(10, 30)
    assert peak_operator_bytes(addition, [torch.zeros(1, 10)]) == 40
    assert peak_operator_bytes(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), [torch.zeros(1, 4, 4, 4)]) == 64 + 16


def test_memory_of_an_interpreter_holds_what_waits() -> None:
    """Branches wait for their concatenation, which copies; bytes moved are all reads, writes and weights."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Conv2d(1, 100, 1, bias=False), nn.Conv2d(1, 2, 1, bias=False)
            self.squeeze = nn.Conv2d(100, 2, 1, bias=False)

        def forward(self, x):  # type: ignore[no-untyped-def]
            narrow = torch.relu(self.narrow(x))
            return torch.cat([narrow, self.squeeze(self.wide(x))], 1)

    x = torch.zeros(1, 1, 1, 1)
    # the wide branch first: its 100 are gone before the narrow one's 2 are there
    assert arena(trace(Branches(), [x]), 8) == (1 + 100 + 2, True)
    assert arena(trace(Branches(), [x]), 32) == (4 * (1 + 100 + 2), True)
    assert peak_operator_bytes(Branches(), [x]) == 100 + 2
    assert moved_bytes(Branches(), [x]) == (1 + 2) + (1 + 100) + (100 + 2) + (4 + 4) + (100 + 2 + 200)


def test_flash_holds_weights_at_their_width_and_biases_at_32_bits() -> None:
    """Batch norm leaves a bias per channel; tied weights are stored once."""
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))
    assert flash_bytes(layers) == 3 * 8 * 9 + 8 * 2 + 4 * (8 + 2)
    assert flash_bytes(layers, bits=16) == 2 * (3 * 8 * 9 + 8 * 2) + 4 * (8 + 2)
    tied = nn.ModuleList([nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)])
    tied[1].weight = tied[0].weight
    assert flash_bytes(tied) == 20


def test_latency_is_positive_and_grows_with_work() -> None:
    """A thousand times the work takes longer; the module is left in evaluation mode on the device."""
    device = torch.device("cpu")
    small = measure(nn.Linear(10, 10), [torch.zeros(1, 10)], device)
    large = measure(nn.Sequential(*[nn.Linear(1000, 1000) for _ in range(5)]), [torch.zeros(50, 1000)], device)
    assert 0 < small < large


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("cnn", "max_macs"),
        ("cnn", "max_params"),
        ("rnn", "max_params"),
        ("cnn", "max_memory_bytes"),
        ("cnn", "max_flash_bytes"),
        ("rnn", "max_memory_bytes"),
        ("rnn", "max_flash_bytes"),
        ("cnn", "max_arena_bytes"),
        ("rnn", "max_arena_bytes"),
    ],
)
def test_an_impossible_limit_is_an_error_before_training(small: Any, tmp_path: Path, task: str, key: str) -> None:
    """Even the cheapest cell exceeds it: said with what that cell has, and nothing was trained."""
    with pytest.raises(
        ParameterError, match=rf"search\.{task}\.objective\.{key} = 1: even the cheapest cell, "
    ) as caught:
        small.search(task, "shrink-0", tmp_path, {"search": {task: {"objective": {key: 1}}}})
    assert "accepted: " in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("evaluations-*.json"))


def test_an_intensity_that_no_cell_has_is_an_error_before_training(small: Any, tmp_path: Path) -> None:
    """A lower limit is held against the densest cells, and the nearest of them is named."""
    with pytest.raises(ParameterError, match=r"min_intensity = 1e\+09: of the sparsest and the densest") as caught:
        small.search("cnn", "shrink-0", tmp_path, {"search": {"cnn": {"objective": {"min_intensity": 1e9}}}})
    assert "accepted: at most that" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("evaluations-*.json"))


def test_latency_and_memory_are_measured_once_and_judged(small: Any, tmp_path: Path) -> None:
    """They stand among the costs, are re-used by a second run, and count in score and limit; evaluations stay the
    same."""
    plain = small.search("cnn", "shrink-0", tmp_path / "plain")
    objective = {"memory_weight": 0.1, "latency_weight": 0.1, "max_latency_ms": 1.0e6}
    objective |= {"max_memory_bytes": 10**6, "max_arena_bytes": 10**6, "max_flash_bytes": 10**6, "min_intensity": 0.01}
    overlay = {"search": {"cnn": {"objective": objective}}}
    weighed = small.search("cnn", "shrink-0", tmp_path / "weighed", overlay)
    assert weighed["reused"] > 0 or plain["evaluations"] == 0
    rounds = small.rounds("cnn", "shrink-0", tmp_path / "weighed")
    before = {item.key: item for r in small.rounds("cnn", "shrink-0", tmp_path / "plain") for item in r.candidates}
    for content in rounds:
        for item in content.candidates:
            assert item.costs["latency_ms"] > 0 and item.costs["activation_bytes"] > 0
            assert item.costs["arena_bytes"] >= item.costs["memory_bytes"] > 0 and item.costs["flash_bytes"] > 0
            assert item.costs["intensity"] > 0.01
            if item.key in before:
                assert item.metrics == before[item.key].metrics
                assert item.score != before[item.key].score
    small.search("cnn", "shrink-0", tmp_path / "again", overlay)
    assert small.rounds("cnn", "shrink-0", tmp_path / "again") == rounds

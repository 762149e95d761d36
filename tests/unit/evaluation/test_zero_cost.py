"""Untrained networks' values against their definitions, and as evaluations of the engine."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest import approx
from torch import nn

from autoshrink.tasks.zero_cost import gradient_norm, naswot, synflow


def test_naswot_is_the_log_determinant_of_agreement() -> None:
    """Counted by hand over two ReLUs: K[a, b] is how many of the units images a and b switch alike."""
    torch.manual_seed(1)
    first, second = nn.Linear(5, 7), nn.Linear(7, 3)
    module = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(inplace=True))
    images = torch.randn(4, 5)
    hidden = first(images)
    codes = torch.cat([hidden > 0, second(hidden.relu()) > 0], dim=1)
    agreement = torch.tensor([[float((a == b).sum()) for b in codes] for a in codes], dtype=torch.float64)
    assert naswot(module, images) == approx(float(torch.logdet(agreement)))
    assert naswot(module, images[[0, 0, 1]]) == -math.inf, "two images alike make it singular"
    assert not any(layer._forward_hooks for layer in module.modules()), "hooks are taken off again"


def test_synflow_is_the_flow_through_absolute_weights() -> None:
    """For a chain of matrices every layer's share is the same sum of path products."""
    torch.manual_seed(2)
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    before = [parameter.detach().clone() for parameter in module.parameters()]
    paths = (before[1].abs().double() @ before[0].abs().double() @ torch.ones(3, dtype=torch.float64)).sum()
    assert synflow(module, (1, 3)) == approx(math.log(2 * float(paths)))
    assert all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_gradient_norm_sums_layers() -> None:
    """The norms of all gradients, and nothing for a parameter that the loss does not reach."""
    torch.manual_seed(3)
    module = nn.ModuleDict({"used": nn.Linear(2, 1), "unused": nn.Linear(2, 2)})
    loss = module["used"](torch.tensor([[3.0, 4.0]])).sum()
    assert gradient_norm(module, loss) == approx(5.0 + 1.0)


@pytest.mark.parametrize(
    ("task", "strategy"),
    [
        ("cnn", "shrink-naswot"),
        ("cnn", "shrink-synflow"),
        ("cnn", "shrink-gradient"),
        ("cnn", "shrink-halving"),
        ("rnn", "shrink-gradient"),
    ],
)
def test_staged_searches_run_on_real_networks(small: Any, tmp_path: Path, task: str, strategy: str) -> None:
    """A look is an evaluation of its own, kept and found again; only full trainings are answers."""
    first = small.search(task, f"{strategy}-0", tmp_path)
    rounds = small.rounds(task, f"{strategy}-0", tmp_path)
    looks = [item for content in rounds for item in content.candidates if item.fidelity]
    trained = [item for content in rounds for item in content.candidates if not item.fidelity]
    assert looks and trained
    for item in looks:
        if item.fidelity.zero_cost:
            assert item.epochs == 0 and item.score is None
            assert math.isfinite(item.metrics[item.fidelity.zero_cost])
        else:
            assert item.epochs == item.fidelity.epochs
    assert all(item.score is not None for item in trained)
    again = small.search(task, f"{strategy}-0", tmp_path / "again")
    assert again["reused"] == again["evaluations"] == first["evaluations"]
    assert small.rounds(task, f"{strategy}-0", tmp_path / "again") == rounds

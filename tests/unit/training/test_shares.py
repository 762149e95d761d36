"""Unequal shares of a batch: how many examples each process takes, and that the step is one process's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoshrink import params
from autoshrink.errors import ParameterError
from autoshrink.runtime.processes import Share
from autoshrink.training import shares
from tests.unit.tasks.vision import taken


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.integers(1, 4), st.integers(0, 50))
def test_all_examples_are_taken_once_and_each_process_takes_its_part(raw: list[float], unit: int, extra: int) -> None:
    parts = tuple(part / sum(raw) for part in raw)
    total = unit * (len(parts) + extra)
    counts = Share(0, len(parts), parts).counts(total, unit)
    assert sum(counts) == total
    assert all(count >= unit and count % unit == 0 for count in counts)
    slices = [Share(rank, len(parts), parts).own(total, unit) for rank in range(len(parts))]
    assert [position for part in slices for position in range(part.start, part.stop)] == list(range(total))
    weights = [Share(rank, len(parts), parts).weight(total, unit) for rank in range(len(parts))]
    assert sum(weights) == pytest.approx(len(parts))
    if all(part * total / unit >= 1 for part in parts):
        assert all(abs(count - part * total) < unit + 1e-6 for count, part in zip(counts, parts, strict=True))


def test_equal_parts_are_weighed_by_exactly_one() -> None:
    assert Share(1, 3).weight(12) == 1.0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([0.5, 0.4], "training.cnn.shares: [0.5, 0.4] add up to 0.9; accepted: shares that add up to 1"),
        ([1.5, -0.5], "training.cnn.shares"),
        ("fair", "training.cnn.shares"),
    ],
)
def test_shares_that_are_none_are_one_line(value: object, said: str) -> None:
    with pytest.raises(ParameterError, match=r"shares") as caught:
        params.load([Path("params.default.yaml")], [f"training.cnn.shares={json.dumps(value)}"])
    assert said in str(caught.value)


def test_as_many_shares_as_processes() -> None:
    with pytest.raises(ParameterError, match=r"^training.cnn.shares = \[0.5, 0.5\]: 2 shares for 3 processes"):
        shares.taken("training.cnn", [0.5, 0.5], Share(0, 3), 12, 1, lambda share: pytest.fail("nothing is measured"))


SCRIPT = """
import os, sys, json, time
from pathlib import Path
import torch
from autoshrink.cells.cell import Cell
from autoshrink.params.root import Compute
from autoshrink.tasks.vision import data, training
from autoshrink.tasks.vision.training import ImageLearner
from autoshrink.params.vision import ImageTraining

torch.set_num_threads(1)
recipes, prepared, out, slow = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
rank = int(os.environ.get("RANK", "0"))
whole_loss, whole_step, times = ImageLearner.loss, ImageLearner.after_step, []

def loss(self, module, part):
    # the second process works at half the speed: it sleeps for as long as it worked, forward and backward
    start = time.perf_counter()
    found = whole_loss(self, module, part)
    if rank == 1 and slow:
        time.sleep(slow * len(part[1]))
    elif slow:
        time.sleep(slow * len(part[1]) / 2)
    return found

def after_step(self):
    times.append(time.perf_counter())
    whole_step(self)

ImageLearner.loss, ImageLearner.after_step = loss, after_step
cell = Cell.of(["conv_3x3", "conv_1x1"], [(0, 1), (0, 2), (1, 2)])
for name, recipe in recipes.items():
    times.clear()
    recipe = ImageTraining.model_validate(recipe)
    training.train(cell, recipe, data.load(prepared), out / name, 3, Compute(device="cpu"), lambda _: None)
    if rank == 0:
        (out / name / "times.json").write_text(json.dumps(times))
"""
RECIPE: dict[str, Any] = {
    "network": {"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0], "stage_cells": [1], "stage_pools": [2]},
    "epochs": 2,
    "batch_size": 12,
    "warmup_epochs": 0.5,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "validation_per_class": 2,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a prepared data set of 60 small photographs."""
    root = tmp_path_factory.mktemp("photographs")
    taken.draw_photographs(root / "raw", {"train": 22, "val": 4})
    taken.prepared(root / "raw", root / "data", "array")
    return root / "data"


def train(
    prepared: Path, folder: Path, recipes: dict[str, dict[str, Any]], processes: int, slow: float = 0.0
) -> dict[str, list[float]]:
    """Train by each recipe, one after another in so many processes, and return the seconds of all steps but the first.

    A recipe's model lies in ``folder`` under its name.
    """
    script = folder / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(script)]
    arguments = [json.dumps(recipes), str(prepared), str(folder), str(slow)]
    subprocess.run([*command, *arguments], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300)
    times = {name: json.loads((folder / name / "times.json").read_text()) for name in recipes}
    return {name: [float(step) for step in np.diff(steps)] for name, steps in times.items()}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return a trained model's weights and batch statistics."""
    return safetensors.torch.load_file(folder / "model.safetensors")


def test_unequal_shares_train_as_one_process(prepared: Path, tmp_path: Path) -> None:
    """Two processes with two thirds and one third of each batch end with one process's weights, to rounding."""
    train(prepared, tmp_path, {"one": RECIPE}, 1)
    train(prepared, tmp_path, {"two": {**RECIPE, "shares": [0.67, 0.33]}}, 2)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    print("greatest difference:", max(float((two[name] - value).abs().max()) for name, value in one.items()))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=2e-4, atol=2e-5)

"""What the number of processes changes: batch norm's statistics, and otherwise rounding only."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import distributed, nn

from autoshrink.cells.cell import Cell
from autoshrink.runtime import processes
from autoshrink.runtime.processes import Share
from tests.unit.tasks.language.conftest import text
from tests.unit.tasks.vision.conftest import arrays, photographs

__all__ = ["arrays", "photographs", "text"]

IMAGES = {
    "network": {"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0], "stage_cells": [1], "stage_pools": [2]},
    "epochs": 2,
    "batch_size": 12,
    "warmup_epochs": 0.5,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "validation_per_class": 2,
}
TEXT = {"network": {"embedding": 8, "hidden": 8}, "epochs": 2, "batch_size": 4, "dropouts": {"hidden": 0.1}}


@pytest.fixture(scope="module")
def differences(arrays: Any, text: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The largest difference between the weights of one process and of two, by variant."""
    cell = Cell.of(["separable_conv_3x3", "conv_1x1", "conv_1x1"], [(0, 1), (1, 2), (0, 3)]).to_json()
    image = {"task": "cnn", "cell": cell, "data": str(arrays.folder)}
    recurrent = {"task": "rnn", "cell": Cell.complete(["tanh", "relu"]).to_json(), "data": str(text.folder)}
    variants: dict[str, Any] = {
        "each its own": {**image, "recipe": IMAGES},
        "synchronised": {**image, "recipe": {**IMAGES, "sync_batch_norm": True}},
        "evaluation mode": {**image, "recipe": IMAGES, "frozen": True},
        "text": {**recurrent, "recipe": TEXT},
    }
    folder = tmp_path_factory.mktemp("double")
    script = str(Path(__file__).parent / "trained_in_double.py")
    for count in (1, 2):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        arguments = [script, json.dumps(variants), str(folder / str(count))]
        command = [sys.executable, *(launcher if count > 1 else []), *arguments]
        subprocess.run(command, check=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found = {}
    for name in variants:
        one, two = (safetensors.torch.load_file(folder / count / name / "model.safetensors") for count in "12")
        found[name] = max(float((one[key] - two[key]).abs().max()) for key in one)
    return found


@pytest.mark.slow
def test_without_batch_statistics_two_processes_differ_by_rounding_only(differences: dict[str, float]) -> None:
    """Float64: the data's order, the draws and the gradients are those of one process."""
    assert differences["text"] < 1e-11
    assert differences["evaluation mode"] < 1e-11


@pytest.mark.slow
def test_batch_norm_explains_what_is_left(differences: dict[str, float]) -> None:
    """With statistics of each process's own images the weights differ; synchronised, by rounding only."""
    assert differences["each its own"] > 1e-3
    assert differences["synchronised"] < 1e-11


def test_nccl_is_told_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it connects at once and no collective has to guess."""
    told: list[Any] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "init_process_group", lambda *names, **how: told.append((names, how)))
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    for device in (torch.device("cuda", 1), torch.device("cpu")):
        with processes.joined(device) as share:
            assert share == Share(1, 2)
    assert told == [(("nccl",), {"device_id": torch.device("cuda", 1)}), (("gloo",), {})]


def test_gradients_lie_where_they_are_exchanged(tmp_path: Path) -> None:
    """And a forward pass sends no batch-norm statistics, which training never reads."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        made = processes.data_parallel(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), torch.device("cpu"))
        sent: list[Any] = []
        made._sync_buffers = lambda: sent.append(1)  # type: ignore[method-assign, assignment]
        made(torch.rand(3, 1, 2, 2)).sum().backward()
        assert not sent and made.gradient_as_bucket_view
    finally:
        distributed.destroy_process_group()

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, DataError, ParameterError
from autoshrink.files import artifacts, checkpoints
from autoshrink.params.vision import ImageTraining
from autoshrink.records.predictions import ImagePredictions
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import loading, splits, testing, training
from autoshrink.tasks.vision.data import PreparedImages, Split
from autoshrink.training.events import Resumed
from tests.device import COMPUTE, DEVICE

RESULTS = ("model.safetensors", "model.json", "history.json")
NETWORK = {"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0], "stage_cells": [1], "stage_pools": [2]}
EVERYTHING: dict[str, Any] = {
    "network": {**NETWORK, "dropout": 0.1, "background_class": True},
    "epochs": 3,
    "batch_size": 12,
    "accumulation_steps": 2,
    "optimizer": "rmsproptf",
    "optimizer_epsilon": 1.0,
    "learning_rate": 0.05,
    "label_smoothing": 0.1,
    "ema_decay": 0.8,
    "clip_gradient_norm": 1.0,
    "validation_per_class": 4,
    "checkpoint_steps": 1,
    "keep_checkpoints": 1,
}
ARRAY_CHANGES = {"pad_crop": 1, "horizontal_flip": 0.5, "rotation": 9.0, "erase": 0.5, "mixup": 0.2, "cutmix": 1.0}
FILE_CHANGES = {
    "crop_area": [0.5, 1.0],
    "random_resize_kernel": True,
    "color_jitter": 0.4,
    "rand_augment": "rand-m5-mstd0.5",
}


def recipe(**changes: Any) -> ImageTraining:
    return ImageTraining.model_validate(
        {"network": NETWORK, "epochs": 2, "batch_size": 12, "warmup_epochs": 0.5, "validation_per_class": 0, **changes}
    )


def train(cell: Cell, how: ImageTraining, data: PreparedImages, folder: Path, seed: int = 5) -> list[Any]:
    told: list[Any] = []
    training.train(cell, how, data, folder, seed, COMPUTE, told.append)
    return told


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def test_training_learns_and_the_model_can_be_tested(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """A few epochs beat chance by far on the test split, and progress ends at 1."""
    told = train(cell, recipe(epochs=12, learning_rate=0.02), arrays, tmp_path)
    tested = testing.test(tmp_path, arrays, COMPUTE)
    scores = tested.metrics
    assert scores["accuracy_top1"] is not None and scores["accuracy_top1"] > 0.8
    assert scores["accuracy_top5"] == 1.0  # of three classes
    found = tested.predictions
    assert isinstance(found, ImagePredictions)
    assert sum(found.correct) / sum(found.images) == pytest.approx(scores["accuracy_top1"])
    assert sum(count for _, _, count in found.confusions) == sum(found.images)
    assert sum(count for truth, answer, count in found.confusions if truth == answer) == sum(found.correct)
    assert all(sample.image.startswith("data:image/png;base64,") for sample in found.samples)
    assert all(sample.truth != sample.predicted for sample in found.mistakes)
    assert [event.epoch for event in told] == list(range(12))
    assert told[-1].done == 1.0
    history = artifacts.read_sealed(tmp_path / "history.json", "history", 1)
    assert len(history["epochs"]) == 12
    assert history["epochs"][-1]["train_loss"] < history["epochs"][0]["train_loss"]


@pytest.mark.parametrize("storage", ["array", "files"])
def test_a_training_resumed_anywhere_ends_in_the_same_bytes(
    cell: Cell, arrays: PreparedImages, files: PreparedImages, tmp_path: Path, storage: str, monkeypatch: Any
) -> None:
    """With every part of the recipe on: broken off at any checkpoint, the model is the undisturbed one's to the bit."""
    data, own = (
        (arrays, {"augmentation": ARRAY_CHANGES}) if storage == "array" else (files, {"augmentation": FILE_CHANGES})
    )
    how = recipe(**EVERYTHING, **own, image_size=12 if storage == "files" else None)
    train(cell, how, data, tmp_path / "undisturbed")
    save, saved = checkpoints.save, 0

    def save_and_break_off(*arguments: Any) -> Path:
        nonlocal saved
        path = save(*arguments)
        saved += 1
        if saved % 5 == 0:  # between steps and at an epoch's end
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(checkpoints, "save", save_and_break_off)
    for _ in range(9):
        torch.manual_seed(saved)  # whatever the process's generators hold
        try:
            train(cell, how, data, tmp_path / "broken")
            break
        except KeyboardInterrupt:
            continue
    assert saved > 10
    assert contents(tmp_path / "broken") == contents(tmp_path / "undisturbed")


def test_loader_processes_change_nothing(cell: Cell, files: PreparedImages, tmp_path: Path) -> None:
    """Each image's draws are its own, whichever process decodes it."""
    changes = {"image_size": 12, "augmentation": FILE_CHANGES, "epochs": 1, "warmup_epochs": 0.0}
    train(cell, recipe(**changes), files, tmp_path / "none")
    train(cell, recipe(**changes, loader_workers=2), files, tmp_path / "two")
    assert contents(tmp_path / "none") == contents(tmp_path / "two")


def test_a_finished_training_called_again_leaves_the_same_bytes(
    cell: Cell, arrays: PreparedImages, tmp_path: Path
) -> None:
    """The call resumes at the end and trains nothing more."""
    train(cell, recipe(), arrays, tmp_path)
    before = contents(tmp_path)
    told = train(cell, recipe(), arrays, tmp_path)
    assert told == [Resumed(1, "step-000000010.json")]
    assert contents(tmp_path) == before


def test_a_checkpoint_of_another_cell_is_set_aside(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """Another cell's checkpoint is never resumed: training starts from scratch, the old file gets a telling name."""
    train(Cell.of(["conv_1x1"], [(0, 1)]), recipe(), arrays, tmp_path / "mixed")
    train(cell, recipe(), arrays, tmp_path / "mixed")
    train(cell, recipe(), arrays, tmp_path / "fresh")
    assert contents(tmp_path / "mixed") == contents(tmp_path / "fresh")
    assert list((tmp_path / "mixed" / "checkpoints").glob("*.foreign-1"))


def test_the_best_validation_epoch_is_the_model(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """With images held out, the weights kept are those of the first epoch of the highest validation accuracy."""
    train(cell, recipe(validation_per_class=5, epochs=5, learning_rate=0.02), arrays, tmp_path)
    history = artifacts.read_sealed(tmp_path / "history.json", "history", 1)
    accuracies = [record["validation_accuracy"] for record in history["epochs"]]
    assert history["chosen_epoch"] == accuracies.index(max(accuracies))


def test_a_tenth_is_held_out_by_default(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """Every epoch has validation figures without a word in the recipe; classes too small for a tenth give none."""
    train(cell, recipe(validation_per_class=None), arrays, tmp_path)
    history = artifacts.read_sealed(tmp_path / "history.json", "history", 1)
    assert all(record["validation_loss"] is not None for record in history["epochs"])
    assert [recipe(validation_per_class=None).held_out(count) for count in (9, 10, 400)] == [0, 1, 40]


def test_patience_ends_a_training_early(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """The last epoch is the first that lies ``patience`` epochs after the best; a second call adds none."""
    how = recipe(validation_per_class=3, epochs=40, learning_rate=0.02, patience=2)
    train(cell, how, arrays, tmp_path)
    before = contents(tmp_path)
    history = artifacts.read_sealed(tmp_path / "history.json", "history", 1)
    assert len(history["epochs"]) < 40
    assert history["chosen_epoch"] == len(history["epochs"]) - 1 - 2
    train(cell, how, arrays, tmp_path)
    assert contents(tmp_path) == before


def test_patience_without_held_out_images_is_refused() -> None:
    """There is nothing to be patient about."""
    with pytest.raises(ValueError, match="validation_per_class must not be 0"):
        recipe(patience=2)


def test_balanced_weights_make_rare_classes_count(
    cell: Cell, arrays: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each class's images weigh as much together; equal classes weigh 1, and the loss is then the plain one."""
    weights = splits.class_weights(arrays, recipe(), 5)
    assert weights.tolist() == pytest.approx([1.0, 1.0, 1.0])
    split = arrays.split("train")
    kept = (split.labels_N != 2) | (np.cumsum(split.labels_N == 2) <= 5)
    lopsided = Split(split.images_NHWC[kept], split.labels_N[kept])
    monkeypatch.setattr(PreparedImages, "split", lambda self, name: lopsided)
    weights = splits.class_weights(arrays, recipe(), 5)
    monkeypatch.undo()
    assert weights * [20, 20, 5] == pytest.approx([15.0, 15.0, 15.0])
    logits, targets = torch.randn(6, 3, device=DEVICE), torch.tensor([0, 1, 2, 2, 1, 0], device=DEVICE)
    losses = {}
    for kind in ("none", "balanced"):
        learner = training.ImageLearner(cell, recipe(class_weights=kind), arrays, 5, DEVICE, Share())
        losses[kind] = learner._loss(logits, targets)
    torch.testing.assert_close(losses["none"], losses["balanced"])


def test_accumulation_changes_only_rounding_and_batch_statistics(
    cell: Cell, arrays: PreparedImages, tmp_path: Path
) -> None:
    """A network without batch norm's influence would train alike; here the first epoch's loss is close."""
    losses = []
    for steps in (1, 2):
        train(cell, recipe(accumulation_steps=steps, epochs=1, warmup_epochs=0.0), arrays, tmp_path / str(steps))
        losses.append(
            artifacts.read_sealed(tmp_path / str(steps) / "history.json", "history", 1)["epochs"][0]["train_loss"]
        )
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 61}, DataError, "batch_size = 61: .* only 60 images"),
        ({"validation_per_class": 20}, DataError, r"validation_per_class = 20: class 'class-0' .* only 20"),
        ({"image_size": 16}, ParameterError, r"image_size = 16: .* prepared at 12 x 12"),
        ({"augmentation": {"color_jitter": 0.4}}, ParameterError, r"color_jitter = 0\.4: .*storage: files"),
    ],
)
def test_what_does_not_fit_together_is_told_before_training(
    cell: Cell, arrays: PreparedImages, tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Recipe and data that contradict each other give one clear line and leave nothing behind."""
    with pytest.raises(error, match=message) as caught:
        train(cell, recipe(**changes), arrays, tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_files_need_an_image_size(cell: Cell, files: PreparedImages, tmp_path: Path) -> None:
    """Photographs have no common size of their own."""
    with pytest.raises(ParameterError, match=r"image_size: is required"):
        train(cell, recipe(), files, tmp_path)


def test_a_damaged_model_is_told(cell: Cell, arrays: PreparedImages, tmp_path: Path) -> None:
    """Weights that are not the ones described are not loaded."""
    train(cell, recipe(), arrays, tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    weights["classifier.bias"] += 1
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"model\.safetensors: missing or altered"):
        loading.load_model(tmp_path)


SCRIPT = """
import json, sys
from pathlib import Path
from autoshrink.cells.cell import Cell
from autoshrink.params.root import Compute
from autoshrink.params.vision import ImageTraining
from autoshrink.tasks.vision import data, training
cell, recipe, source, out = json.loads(sys.argv[1])
training.train(Cell.from_json(cell), ImageTraining.model_validate(recipe), data.load(Path(source)), Path(out), 5,
               Compute(device="cpu"), lambda event: print(event, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_sigkill_at_any_step_ends_in_the_same_bytes(
    cell: Cell, arrays: PreparedImages, tmp_path: Path, processes: int
) -> None:
    """Killed without warning and called again, one process or two (gloo): the undisturbed model, to the bit."""
    how = recipe(**{**EVERYTHING, "epochs": 8, "checkpoint_steps": 2}, augmentation=ARRAY_CHANGES).model_dump(
        mode="json"
    )

    def start(out: str) -> "subprocess.Popen[bytes]":
        (tmp_path / "script.py").write_text(SCRIPT)
        argument = json.dumps([cell.to_json(), how, str(arrays.folder), str(tmp_path / out)])
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *(launcher if processes > 1 else []), str(tmp_path / "script.py"), argument]
        return subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )

    assert start("undisturbed").wait() == 0
    killed = start("killed")
    deadline = time.monotonic() + 600
    while not list((tmp_path / "killed" / "checkpoints").glob("step-0000000[1-9]*.json")):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "model.json").exists()
    assert start("killed").wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")

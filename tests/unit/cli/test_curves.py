"""A training's curves for TensorBoard."""

import sys
from pathlib import Path

import pytest

from autoshrink.cli import curves
from autoshrink.training.events import EpochEnded, Resumed, Working


def read(folder: Path) -> list[tuple[int, float]]:
    """Return the points of the training loss as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars("train_loss")]


def epoch(number: int, loss: float) -> EpochEnded:
    """Return what a training reports at the end of an epoch."""
    return EpochEnded({"epoch": number, "learning_rate": 0.5, "train_loss": loss}, 0.5)


def test_a_killed_training_has_one_curve(tmp_path: Path) -> None:
    """A training that goes on from a checkpoint adds to its curve and repeats no epoch; a new one starts anew."""
    with curves.Curves(tmp_path) as first:
        for number, loss in enumerate((4.0, 3.0, 2.5)):
            first.add(epoch(number, loss))
        first.add(Working(3, 0.6, {"words_per_second": 100.0}))
    with curves.Curves(tmp_path) as second:
        second.add(Resumed(2, "000002.json"))
        second.add(epoch(2, 2.0))
        second.add(epoch(3, 1.0))
    assert read(tmp_path) == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]
    with curves.Curves(tmp_path) as third:
        third.add(epoch(0, 5.0))
    assert read(tmp_path) == [(1, 5.0)]


def test_place_is_among_the_logs(tmp_path: Path) -> None:
    """Curves lie in the run's logs, from which nothing is made; of a model by itself, in a logs folder of its own."""
    run = tmp_path / "results"
    assert curves.folder_of(run / "cnn/shrink-0/model") == run / "logs/cnn/shrink-0/tensorboard"
    assert curves.folder_of(tmp_path / "model") == tmp_path / "model/logs/tensorboard"


def test_without_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where TensorBoard is not installed, a training says so once and goes on."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with curves.Curves(tmp_path) as made:
        made.add(epoch(0, 1.0))
        made.add(epoch(1, 1.0))
    assert capsys.readouterr().err.count("TensorBoard is not installed") == 1
    assert list(tmp_path.iterdir()) == []


def test_event_files_of_others_stay(tmp_path: Path) -> None:
    """A training that starts anew removes the curves that one of ours wrote, and no other event file."""
    foreign = tmp_path / "events.out.tfevents.1.mine"
    foreign.write_text("mine")
    for _ in range(2):
        with curves.Curves(tmp_path) as made:
            made.add(epoch(0, 4.0))
    assert foreign.read_text() == "mine"
    assert len(list(tmp_path.glob("events.*"))) == 2

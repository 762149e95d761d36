"""Progress files: written line by line, read at any instant."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.errors import ArtifactError, UserError
from autoshrink.records.progress import Progress, ProgressFile, leading, read
from autoshrink.runtime.preemption import Preempted


def written(path: Path) -> Path:
    """Write a training's progress."""
    with ProgressFile(path) as file:
        file.write("resumed", epoch=1, epochs=3, message="step-000000004")
        file.write("working", epoch=2, epochs=3, seconds_left=150.4, numbers={"images_per_second": 31.5})
        file.write("epoch", epoch=2, epochs=3, numbers={"validation_loss": 0.5, "train_loss": None})
        file.write("candidate", slot=4, epoch=3, epochs=3, reused=True)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Events come back in their order, the process first and the end last."""
    events = read(written(tmp_path / "logs/train.progress.jsonl"))
    assert [entry.event for entry in events] == ["started", "resumed", "working", "epoch", "candidate", "ended"]
    assert events[0].process == os.getpid()
    assert [entry.words() for entry in events[1:5]] == [
        "resumed from step-000000004 in epoch 1 of 3",
        "epoch 2 of 3, 3 min left: images per second 31.5",
        "epoch 2 of 3: validation loss 0.5",
        "slot 4, re-used after 3 epochs",
    ]
    assert events[3].words(width=80) == "epoch 2 of 3: loss 0.5"


@given(share=st.floats(0, 1))
def test_any_beginning_can_be_read(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    """However much of the file has been written, its whole lines are read."""
    path = written(tmp_path_factory.mktemp("progress") / "file")
    content, events = path.read_bytes(), read(path)
    size = round(share * len(content))
    path.write_bytes(content[:size])
    assert read(path) == events[: content[:size].count(b"\n")]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """A whole line that is no event is an error that names file and line; no file is no events."""
    path = written(tmp_path / "file")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b'{"event": "epoch"}', *lines[2:]]))
    with pytest.raises(ArtifactError, match=r"file, line 2: is no progress: it lacks time"):
        read(path)
    assert read(tmp_path / "other") == []


@pytest.mark.parametrize(
    ("error", "event", "message"),
    [
        (UserError("a.yaml: two\nlines"), "failed", "a.yaml: two lines"),
        (RuntimeError("boom"), "failed", "RuntimeError: boom"),
        (Preempted("stopped after step 3"), "stopped", "stopped after step 3"),
        (KeyboardInterrupt(), "stopped", "KeyboardInterrupt: "),
    ],
    ids=["mistake", "defect", "preempted", "interrupted"],
)
def test_how_a_step_ended_is_written(tmp_path: Path, error: BaseException, event: str, message: str) -> None:
    """An error ends the file and passes on; what can go on is stopped, not failed."""
    with pytest.raises(type(error)), ProgressFile(tmp_path / "file"):
        raise error
    last = read(tmp_path / "file")[-1]
    assert (last.event, last.message) == (event, message.strip())


def test_a_new_attempt_begins_anew(tmp_path: Path) -> None:
    """What an attempt before has written is gone."""
    written(tmp_path / "file")
    with ProgressFile(tmp_path / "file"):
        assert [entry.event for entry in read(tmp_path / "file")] == ["started"]


def test_nothing_is_written_without_a_path() -> None:
    """A verb that is run by hand still gets its events to say."""
    with ProgressFile(None) as file:
        assert isinstance(file.write("epoch", epoch=1, epochs=2), Progress)


def test_loss_and_quality_lead() -> None:
    """The validation's loss and quality come first, then training's, then the rest in its order."""
    numbers = {"epoch": 3, "rate": 0.1, "train_loss": 2.0, "validation_accuracy": 0.5, "validation_loss": 1.0}
    assert list(leading(numbers, "accuracy")) == ["validation_loss", "validation_accuracy", "train_loss", "rate"]

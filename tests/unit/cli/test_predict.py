"""``autoshrink predict`` finds the task by what it is given, and refuses in one line what it cannot read."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from autoshrink.cli import main
from autoshrink.cli.predict import _task_of
from autoshrink.inference import models
from autoshrink.params.base import Task


def test_task_follows_from_the_input(tmp_path: Path) -> None:
    """A folder and an image file mean images; any other file is a text."""
    assert _task_of(tmp_path) is Task.CNN
    assert _task_of(Path("a.PNG")) is Task.CNN
    assert _task_of(Path("letter.txt")) is Task.RNN


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "absent.txt"], "absent.txt: there is no such file or folder"),
        (["nowhere", "."], "nowhere: holds no trained model (cnn/SEARCH/model/model.json)"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each mistake names what was given and what is accepted, with status 2."""
    with pytest.raises(SystemExit) as stop:
        main(["predict", *words])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize(("words", "threads"), [([], 1), (["--threads", "2"], 2)])
def test_it_computes_on_as_many_threads_as_are_asked_for(
    words: list[str], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, where nobody asks: short products on many threads cost several times the CPU time of one."""
    seen: list[int] = []

    def predict(*_: object) -> SimpleNamespace:
        seen.append(torch.get_num_threads())
        return SimpleNamespace(text=lambda: "", remark=None)

    monkeypatch.setattr(models, "find", lambda *_: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr(models, "deployment_of", lambda *_: SimpleNamespace(predict=predict))
    (tmp_path / "letter.txt").write_text("a letter")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        with pytest.raises(SystemExit) as stop:
            main(["predict", str(tmp_path), str(tmp_path / "letter.txt"), *words])
    finally:
        torch.set_num_threads(before)
    assert not stop.value.code
    assert seen == [threads]

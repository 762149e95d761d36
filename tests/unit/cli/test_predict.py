"""``autoshrink predict`` finds the task by what it is given, and refuses in one line what it cannot read."""

from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.cli.predict import _task_of
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

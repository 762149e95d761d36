"""Shares and batches that the processes of the final training cannot share are told before anything is trained."""

from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.cli import main
from autoshrink.errors import ParameterError
from autoshrink.tasks import sharing

ROOT = Path(__file__).parents[3]


def checked(processes: int, *settings: str) -> None:
    sharing.check(params.load([ROOT / "params.default.yaml"], [*settings]), processes)


def test_what_fits_passes() -> None:
    """Without shares, with one for each process, and with shares that are measured."""
    checked(1)
    checked(2)
    checked(2, "training.cnn.shares=[0.67, 0.33]", "training.rnn.shares=balanced", "training.cnn.batch_size=33")


@pytest.mark.parametrize(
    ("processes", "settings", "line"),
    [
        (
            1,
            ["training.cnn.shares=[0.67, 0.33]"],
            r"^training\.cnn\.shares = \[0\.67, 0\.33\]: 2 shares for 1 process; accepted: one for each; .*gpu=N",
        ),
        (
            3,
            ["training.rnn.shares=[0.5, 0.5]", "training.cnn.batch_size=66"],
            r"^training\.rnn\.shares = .* 3 processes",
        ),
        (
            3,
            ["training.rnn.batch_size=30"],
            r"^training\.cnn\.batch_size = 64: is not divisible by 3 processes; .* 3, or",
        ),
        (
            4,
            ["training.cnn.shares=balanced", "training.cnn.batch_size=6", "training.cnn.accumulation_steps=2"],
            r"^training\.cnn\.batch_size = 6: .* 4 processes x accumulation_steps 2; accepted: at least 8$",
        ),
    ],
)
def test_a_mistake_is_one_line(processes: int, settings: list[str], line: str) -> None:
    with pytest.raises(ParameterError, match=line) as caught:
        checked(processes, *settings)
    assert "\n" not in str(caught.value)


def test_check_tells_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``autoshrink check`` counts a plain run's processes, or as many as it is told."""
    monkeypatch.setattr("autoshrink.tasks.availability.check", lambda *_: [])
    monkeypatch.setattr("autoshrink.tasks.rehearsal.check", lambda *_: [])
    words = ["check", "--params", str(ROOT / "params.default.yaml"), "--set", "training.cnn.shares=[0.67, 0.33]"]
    words += ["--set", "tasks=[cnn]"]
    for processes, status in (("3", 2), ("2", 0)):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--processes", processes])
        assert int(ended.value.code or 0) == status
    said = capsys.readouterr().err
    assert said.startswith("autoshrink check: training.cnn.shares = [0.67, 0.33]: 2 shares for 3 processes")
    assert said.count("\n") == 1

"""What a step of the command line does around its work: refusals before it, the record after it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.lineage import records

DEFAULTS = str(Path(__file__).parents[3] / "params.default.yaml")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that makes a folder one that cannot be written: a root user may write anywhere."""
    real = os.access

    def close(folder: Path) -> None:
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode: not (mode & os.W_OK and Path(path).absolute() == folder) and real(path, mode),
        )

    return close


@pytest.mark.parametrize("place", ["--out", "--store"])
def test_a_read_only_folder_is_told_before_the_work(
    place: str, tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    """Neither a result nor an evaluation can get lost after hours of training."""
    folders = {name: tmp_path / name.strip("-") for name in ("--out", "--store")}
    for folder in folders.values():
        folder.mkdir()
    read_only(folders[place])
    worked = False
    with (
        pytest.raises(UserError, match=f"{place} = .*cannot be written; name a folder that can$"),
        step("evaluate", folders["--out"] / "e.json", store=folders["--store"]),
    ):
        worked = True
    assert not worked


@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_trainings_by_hand_are_refused_in_one_line(
    verb: str, tmp_path: Path, read_only: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """`evaluate` and `train` into a folder that cannot be written end at once, with status 2 and nothing made."""
    (tmp_path / "shut").mkdir()
    read_only(tmp_path / "shut")
    out = str(tmp_path / "shut" / "result")
    words = {
        "evaluate": ["--proposal", "p.json", "--slots", "0:1", "--store", str(tmp_path / "store")],
        "train": ["--cell", "shrinkcnn-a"],
    }[verb]
    with pytest.raises(SystemExit) as ended:
        main([verb, "--params", DEFAULTS, "--task", "cnn", *words, "--data", str(tmp_path / "data"), "--out", out])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"autoshrink {verb}: --out = ") and "cannot be written" in line
    assert [path.name for path in tmp_path.rglob("*")] == ["shut"]


def test_a_rank_in_the_environment_leaves_out_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only torchrun's other processes leave the record to the first; a RANK of somebody else's is none of ours."""
    monkeypatch.setenv("RANK", "1")
    with step("report", tmp_path / "result.json"):
        (tmp_path / "result.json").write_text("{}")
    assert records.path_of(tmp_path / "result.json").is_file()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    with step("report", tmp_path / "other.json"):
        (tmp_path / "other.json").write_text("{}")
    assert not records.path_of(tmp_path / "other.json").exists()

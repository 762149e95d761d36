"""A data set is put where it is kept without a change to a file there that AutoShrink has not written."""

from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.lineage import preparing


def prepared(folder: Path, content: str = "1") -> list[str]:
    """Write what a preparation writes."""
    (folder / "train.npy").write_text(content)
    artifacts.write_sealed(folder / "manifest.json", "dataset", 1, {"files": {"train.npy": content}})
    return ["train.npy"]


def prepare(out: Path, content: str = "1") -> None:
    preparing.check(out)
    with preparing.inside(out) as folder:
        preparing.put(folder, prepared(folder, content), out)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_prepared_may_be_prepared_anew(tmp_path: Path) -> None:
    """The manifest says which files are AutoShrink's; notes beside them stay."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for content in ("1", "2"):
        prepare(out, content)
        assert (out / "train.npy").read_text() == content and (out / "notes.txt").read_text() == "mine"
    assert names(out) == {"train.npy", "manifest.json", "notes.txt"}


@pytest.mark.parametrize("name", ["train.npy", "manifest.json"])
def test_a_users_file_is_not_overwritten(name: str, tmp_path: Path) -> None:
    """A file of a name that is needed is named, and nothing is moved beside it."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}: is in the way.*name another folder"):
        prepare(tmp_path)
    assert names(tmp_path) == {name} and (tmp_path / name).read_text() == "mine"


def test_the_same_bytes_are_in_nobodys_way(tmp_path: Path) -> None:
    """A preparation that was killed while it moved its files goes on: they are the same again."""
    (tmp_path / "train.npy").write_text("1")
    prepare(tmp_path)
    assert names(tmp_path) == {"train.npy", "manifest.json"}


def test_what_a_killed_preparation_left_is_removed(tmp_path: Path) -> None:
    """Its folder carries its host and process; another host's is left alone."""
    ours, others = (tmp_path / f".preparing.{host}.999999999-0123abcd.tmp" for host in (artifacts.host(), "elsewhere"))
    for folder in (ours, others):
        folder.mkdir()
        (folder / "train.npy").write_text("half")
    prepare(tmp_path)
    assert not ours.exists() and others.exists()


def test_a_failed_preparation_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), preparing.inside(tmp_path / "out") as folder:
        prepared(folder)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_verb_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`prepare --out` into a folder of the user's: status 2, one line, every file as it was."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("datasets: {digits: {source: digits}}\n")
    Path("mine").mkdir()
    Path("mine/test_labels.npy").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "digits", "--out", "mine"])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith("autoshrink prepare: --out: mine/test_labels.npy: is in the way")
    assert names(Path("mine")) == {"test_labels.npy"} and Path("mine/test_labels.npy").read_text() == "mine"

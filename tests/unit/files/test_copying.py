"""Copying a folder into another: what is there stays, and what arrives is whole."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoshrink.cli.lineage import lineage
from autoshrink.errors import UserError
from autoshrink.files.copying import copy_missing


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with two files."""
    folder = tmp_path / "a 'source'"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "deep/er/.two").write_text("2")
    return folder


def content(folder: Path) -> dict[str, str]:
    """Return the files of a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_stays_and_the_rest_arrives(source: Path, tmp_path: Path) -> None:
    """A file of the user's is neither overwritten nor the end of the copy, as it is with some versions of `cp -n`."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "one").write_text("mine")
    assert copy_missing(source, target) == (1, 1)
    assert content(target) == {"one": "mine", "deep/er/.two": "2"}
    assert copy_missing(source, target) == (0, 2)
    assert content(source) == {"one": "1", "deep/er/.two": "2"}


def test_an_interrupted_copy_leaves_no_part_of_a_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told with the file's name; no name has half a file, and the same call goes on."""

    def breaks(_: Any, copy: Any) -> None:
        copy.write(b"ha")
        raise OSError(28, "No space left on device")

    target = tmp_path / "target"
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", breaks)
        with pytest.raises(UserError, match=r"cannot be copied to .* \(No space left on device\)"):
            copy_missing(source, target)
    assert content(target) == {}
    assert copy_missing(source, target) == (2, 0)


def test_links_are_followed_but_not_in_circles(source: Path, tmp_path: Path) -> None:
    """A data folder that is a link elsewhere travels with its files."""
    (tmp_path / "link").symlink_to(source)
    assert copy_missing(tmp_path / "link", tmp_path / "target") == (2, 0)
    assert content(tmp_path / "target") == content(source)
    (source / "deep/circle").symlink_to(source)
    with pytest.raises(UserError, match="circle: is a link to a folder that it is in"):
        copy_missing(source, tmp_path / "other")


def test_a_file_in_a_folders_place_is_told(source: Path, tmp_path: Path) -> None:
    """It stays, and a line names it."""
    (tmp_path / "target").mkdir()
    (tmp_path / "target/deep").write_text("mine")
    with pytest.raises(UserError, match="two: cannot be copied to"):
        copy_missing(source, tmp_path / "target")
    assert content(tmp_path / "target")["deep"] == "mine"
    with pytest.raises(UserError, match="is no folder"):
        copy_missing(source / "one", tmp_path / "target")


def test_the_verb_takes_names_like_options(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `--` a folder may be called -x."""
    monkeypatch.chdir(source.parent)
    done = CliRunner().invoke(lineage, ["copy", "--", str(source), "-x"])
    assert (done.exit_code, done.output) == (0, "-x: 2 files copied, 0 were there and stay\n"), done.output
    assert content(source.parent / "-x") == content(source)

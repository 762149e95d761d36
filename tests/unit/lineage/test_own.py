"""What a step may overwrite is what a record says a step wrote; all else is the user's."""

import os
from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, own, records
from autoshrink.lineage.verify import verify
from tests.unit.lineage import made


def test_every_artifact_of_a_run_is_written(pristine: Path) -> None:
    """Each output of each step, the report's figures one folder down and the records themselves count as ours."""
    written = own.Written()
    for record in (pristine / "results").rglob(f"*{records.SUFFIX}"):
        assert written.has(record)
        assert all(written.has(path) for path in records.read(record).outputs), record


@pytest.mark.parametrize("change", ["edited", "record deleted", "record damaged", "pipe"])
def test_what_no_record_vouches_for_is_not(change: str, tmp_path: Path) -> None:
    """An artifact that the user has edited, or whose record is gone, is no longer known as ours."""
    best = made.run(tmp_path) / "cnn/shrink-0/best.json"
    record = records.path_of(best)
    if change == "edited":
        best.write_text(best.read_text() + " ")
    elif change == "record deleted":
        record.unlink()
    elif change == "record damaged":
        record.write_text("{")
    else:
        best.unlink()
        os.mkfifo(best)
    assert not own.Written().has(best)


def test_what_was_verified_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that verification read a moment ago is not read again, unless it was written to since."""
    results = made.run(tmp_path)
    best = results / "cnn/shrink-0/best.json"
    verified = verify(graph.read(results)).digests
    digest_of_file, read = artifacts.digest_of_file, set[Path]()

    def noted(path: Path) -> str:
        read.add(path)
        return digest_of_file(path)

    monkeypatch.setattr(artifacts, "digest_of_file", noted)
    assert own.Written(verified).has(best) and best not in read
    content = best.read_bytes()
    best.write_bytes(content.replace(b"a", b"b", 1))
    assert not own.Written(verified).has(best) and best in read
    best.write_bytes(content)
    assert own.Written(verified).has(best)


def test_a_verb_by_hand_overwrites_what_it_wrote_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command twice is no mistake; a user's file at ``--out`` is one line, status 2, and stays."""
    (tmp_path / "params.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    words = ["start", "--task", "cnn", "--search", "shrink-0", "--out"]
    for _ in range(2):
        made.verb(*words, "round.json")
    (tmp_path / "notes.json").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main([*words, "notes.json"])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and "notes.json: is in the way" in line
    assert (tmp_path / "notes.json").read_text() == "mine"


def test_what_a_killed_step_left_may_be_overwritten(tmp_path: Path) -> None:
    """An artifact is sealed before its record is written; a link to a file of the user's is never followed."""
    artifacts.write_sealed(tmp_path / "best.json", "best", 1, {})
    own.require(tmp_path / "best.json")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "link.json").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match="in the way"):
        own.require(tmp_path / "link.json")

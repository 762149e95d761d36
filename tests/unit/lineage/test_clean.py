"""Removing a run takes what its records know, and nothing else."""

import shutil
from pathlib import Path

import pytest

from autoshrink.lineage import graph
from autoshrink.lineage.clean import clean
from tests.unit.lineage import made


def test_clean_removes_the_run_and_nothing_else(pristine: Path, tmp_path: Path) -> None:
    """Results and prepared data go; the store, notes, altered files and raw data beside prepared data stay."""
    folder = tmp_path / "run"
    shutil.copytree(pristine, folder)
    search = folder / made.SEARCH
    (folder / "data/digits/photo.jpg").write_text("mine")
    (folder / "data/photos").mkdir()
    (folder / "data/photos/photo.jpg").write_text("mine")
    (search / "notes.txt").write_text("mine")
    (search / "front.json").write_text("edited")
    store = {path: path.read_bytes() for path in (folder / "store").rglob("*.json")}
    cleaned = clean(graph.read(folder / "results"), [folder / "data", folder / "store"])
    assert cleaned.count > 20
    kept = {search / "notes.txt", search / "front.json", folder / "data/digits/photo.jpg"}
    assert set(cleaned.left) == kept
    assert {path for path in folder.joinpath("results").rglob("*") if path.is_file()} == kept - {
        folder / "data/digits/photo.jpg"
    }
    assert (folder / "data/photos/photo.jpg").read_text() == "mine"
    assert {path: path.read_bytes() for path in (folder / "store").rglob("*.json")} == store


def test_data_that_another_run_reads_stays(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared data is removed with the last run that reads it, and is named with its reader until then."""
    folder = tmp_path / "run"
    shutil.copytree(pristine, folder)
    shutil.copytree(folder / "results", folder / "results-other")
    monkeypatch.chdir(folder)
    kept = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    cleaned = clean(graph.read(Path("results")), [folder / "data"])
    assert cleaned.shared == ((folder / "data/digits", folder / "results-other"),)
    assert not Path("results").exists()
    assert {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()} == kept
    assert clean(graph.read(Path("results-other")), [folder / "data"]).shared == ()
    assert not Path("data/digits").exists()


def test_data_stays_unless_asked_for(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs elsewhere may read prepared data too, so only --data removes it."""
    folder = tmp_path / "run"
    shutil.copytree(pristine, folder)
    monkeypatch.chdir(folder)
    made.verb("lineage", "clean", "results")
    assert not Path("results").exists() and Path("data/digits/manifest.json").exists()


def test_only_logs_of_recorded_steps_go(pristine: Path, tmp_path: Path) -> None:
    """A step's log, progress and benchmark go with its record; notes among them stay, whatever their ending."""
    folder = tmp_path / "run"
    shutil.copytree(pristine, folder)
    logs, mine = folder / "results/logs", ["mine.log", "cnn/shrink-0/mine.jsonl", "cnn/shrink-0/train.txt"]
    ours = [
        *("cnn/shrink-0/train.log", "cnn/shrink-0/train.progress.jsonl", "cnn/shrink-0/start.log", "report.log"),
        *("cnn/shrink-0/round-01/evaluate-0.log", "cnn/shrink-0/round-01/select.log", "prepare-digits.log"),
    ]
    for name in (*mine, *ours):
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text(name)
    cleaned = clean(graph.read(folder / "results"), [folder / "data"])
    assert set(cleaned.left) == {logs / name for name in mine}

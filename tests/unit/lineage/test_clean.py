"""Removing a run takes what its records know, and nothing else."""

import shutil
from pathlib import Path

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

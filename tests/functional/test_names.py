"""Names and paths of a user's choosing reach no shell as anything but words."""

import json
from pathlib import Path

import pytest

from tests.functional.smoke_run import Folder

INJECTED = "$(touch injected-1) `touch injected-2`; touch injected-3; 'q' \"qq\" & é 中"


@pytest.mark.parametrize("place", [f"-dashed {INJECTED}", f"/{INJECTED}"], ids=["relative", "absolute"])
def test_paths_are_words(tmp_path: Path, place: str) -> None:
    """A whole run works below paths with blanks, quotes, unicode, a leading dash or shell syntax, which never runs."""
    if place.startswith("/"):
        place = f"{tmp_path}/elsewhere {place[1:]}"
    paths = {name: f"{place}/{name} of mine" for name in ("data", "store", "results")}
    folder = Folder.new(tmp_path / "a folder's").overlaid(f"tasks: [cnn]\npaths: {json.dumps(paths)}\n")
    done = folder.run()
    assert done.returncode == 0, done.stderr
    results = folder.path / paths["results"]
    assert (results / "cnn/shrink-0/metrics.json").exists()
    assert (results / "report/index.html").exists()
    assert list((folder.path / paths["data"]).glob("digits-*/manifest.json"))
    assert list((folder.path / paths["store"]).glob("evaluations/*/*.json"))
    assert {file.name for file in folder.path.iterdir()} <= {
        ".snakemake",
        "params.yaml",
        "overlay-1.yaml",
        Path(place).parts[0],
    }
    assert not list(tmp_path.rglob("injected-*"))
    again = folder.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stderr, again.stderr


@pytest.mark.parametrize("name", ["x; touch injected", "$(touch injected)", "--help", "..", "two words", ""])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    """A data set's name outside the stated alphabet ends the run in one line before any job, and nothing is run."""
    datasets = {name: {"source": "digits"}}
    folder = Folder.new(tmp_path / "run").overlaid(
        json.dumps({"tasks": ["cnn"], "datasets": datasets, "proxy": {"cnn": {"dataset": name}}})
    )
    done = folder.run()
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "datasets" in line]
    assert f"the name {name!r}" in line
    assert "letters, digits" in line
    assert not list(tmp_path.rglob("injected")) and not (folder.path / "data").exists()

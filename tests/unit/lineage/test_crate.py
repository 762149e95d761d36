"""The exported crate: valid by the public validator, whole, and readable without anything of ours."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from autoshrink.errors import UserError
from autoshrink.lineage import crate, graph
from tests.unit.lineage import offline

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the made run's crate."""
    out = tmp_path_factory.mktemp("crate") / "crate"
    crate.export(graph.read(pristine / "results"), ROOT / "Snakefile", out, "https://spdx.org/licenses/CC-BY-4.0")
    return out


def entities(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the crate's entities by identifier, read as any JSON."""
    listed = json.loads((folder / "ro-crate-metadata.json").read_bytes())["@graph"]
    return {entity["@id"]: entity for entity in listed}


@pytest.mark.slow
def test_validator_accepts_the_crate(folder: Path, tmp_path: Path) -> None:
    """The public validator accepts the crate under the Provenance Run Crate profile and all that it builds on."""
    validator = Path(sys.executable).parent / "rocrate-validator"
    command: list[str | Path] = [validator, "-y", "validate", folder, "--offline"]
    cache: list[str | Path] = ["--cache-path", offline.fill_cache(tmp_path)]
    profile = ["-p", "provenance-run-crate-0.5", "-l", "required"]
    result = subprocess.run([*command, *cache, *profile], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


def test_files_are_what_the_crate_says(folder: Path) -> None:
    """Every file that the crate lists is in it, under the sha256 it lists, and no file is unlisted."""
    listed = {name: entity for name, entity in entities(folder).items() if "File" in entity["@type"]}
    for name, entity in listed.items():
        content = (folder / name).read_bytes()
        assert entity.get("sha256", hashlib.sha256(content).hexdigest()) == hashlib.sha256(content).hexdigest()
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert present - set(listed) == {"ro-crate-metadata.json"}


def test_everything_of_the_run_is_in_it(folder: Path) -> None:
    """Cell states, parameters, metrics, figures, models and the workflow are in the crate."""
    names = " ".join(entities(folder))
    for part in ("round-01/round.json", "params/params-", "metrics.json", "trajectory.png", "model.safetensors"):
        assert part in names
    assert "Snakefile" in names and "workflow/rules/search.smk" in names and "data/digits/manifest.json" in names


def test_actions_tell_who_made_what(folder: Path) -> None:
    """The action that made the best cell names its tool, its rounds and its result."""
    found = entities(folder)
    (best,) = [item for item in found.values() if item["@type"] == "CreateAction" and "best" in item["name"]]
    assert best["instrument"] == {"@id": "#tool-best"}
    read = {item["@id"] for item in best["object"]}
    assert "results/cnn/shrink-0/round-01/round.json" in read
    assert {"@id": "results/cnn/shrink-0/best.json"} in [best["result"], *best["result"]]
    assert best["startTime"] and best["endTime"]


def test_zip_holds_the_same(pristine: Path, folder: Path, tmp_path: Path) -> None:
    """A crate written as a zip holds the same files."""
    out = tmp_path / "crate.zip"
    crate.export(graph.read(pristine / "results"), ROOT / "Snakefile", out, "not stated")
    names = {name for name in zipfile.ZipFile(out).namelist() if not name.endswith("/")}
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_existing_folder_is_not_overwritten(pristine: Path, folder: Path) -> None:
    """A crate is never written into a folder that is there already."""
    with pytest.raises(UserError, match="is there already"):
        crate.export(graph.read(pristine / "results"), ROOT / "Snakefile", folder, "not stated")

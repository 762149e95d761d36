"""Before a run's first job: folders that cannot keep its results are named."""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from autoshrink import params
from autoshrink.cli import data, preflight
from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.tasks import address
from autoshrink.workflow.plan import Plan


def parameters(folder: Path, **paths: str) -> Parameters:
    """Return parameters with these paths, the others inside ``folder``."""
    (folder / "params.yaml").write_text("{}")
    places = {name: str(folder / name) for name in ("results", "store", "data")} | paths
    return params.load([folder / "params.yaml"], [f"paths.{name}={place}" for name, place in places.items()])


def test_folders_that_are_not_there_yet_can_be_written(tmp_path: Path) -> None:
    """What a first run will make is no mistake."""
    preflight.check_writable(parameters(tmp_path, results=str(tmp_path / "a/b/c")))


def test_a_file_in_a_folders_place_is_named(tmp_path: Path) -> None:
    """A file where results are to go is one line that names the key."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"paths\.results = .*file is no folder"):
        preflight.check_writable(parameters(tmp_path, results=str(tmp_path / "file/deeper")))


@pytest.mark.parametrize("place", ["results", "store", "results/cnn", "results/cnn/shrink-0/model", "results/report"])
def test_a_file_where_a_folder_is_to_be_is_named_before_the_plan_is_listed(place: str, tmp_path: Path) -> None:
    """Snakemake ends in a traceback where it lists a folder that is a file: a line names it first."""
    chosen = parameters(tmp_path)
    preflight.check_folders(Plan(chosen))
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("mine")
    with pytest.raises(UserError, match=f"{tmp_path / place} is no folder; name another, or move it away") as caught:
        preflight.check_folders(Plan(chosen))
    assert "\n" not in str(caught.value)


def test_a_missing_storage_plugin_is_named_before_the_rules_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snakemake, reading rules/storage.smk, would end in an exception; `autoshrink check` says the same line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("paths: {storage: 'nosuch://lab/run'}\n")
    said = r"paths\.storage = 'nosuch://lab/run': .* scheme nosuch; install snakemake-storage-plugin-nosuch"
    with pytest.raises(UserError, match=said):
        preflight.plan([], None, is_job=False)
    done = CliRunner().invoke(data.check, ["--params", "params.yaml"])
    assert isinstance(done.exception, UserError) and re.match(said, str(done.exception))


def test_read_only_folders_are_named_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only store is told before training, each folder in a line; data that is prepared may be read-only."""
    real = os.access
    # a root user may write anywhere, so the system's refusal is restated here
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and real(path, mode))
    with pytest.raises(UserError) as caught:
        preflight.check_writable(parameters(tmp_path))
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == [
        "paths.results",
        "paths.store",
        "paths.data",
    ]
    chosen = parameters(tmp_path)
    for name in chosen.used_datasets:
        address.folder(chosen, name).mkdir(parents=True)
        address.manifest(chosen, name).touch()
    with pytest.raises(UserError) as caught:
        preflight.check_writable(chosen)
    assert "paths.data" not in str(caught.value)


def test_a_device_file_with_a_mistake_stops_the_run_before_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device file of ``plan.devices`` is read before anything is written or trained."""
    devices = tmp_path / "devices.yaml"
    devices.write_text("name: x\naccelerators: {a: {peak_tflops: 1, memory_gb: 1}}\narray: [{accelerator: a}]\n")
    for module in ("availability", "sufficiency"):
        monkeypatch.setattr(f"autoshrink.cli.preflight.{module}.check", lambda *_: None)
    asked = parameters(tmp_path)
    asked = asked.model_copy(update={"plan": asked.plan.model_copy(update={"devices": str(devices)})})
    with pytest.raises(UserError, match=r"accelerators.a.bandwidth_gbit_s: this key is required"):
        preflight.begin(asked, {})
    assert not list(tmp_path.rglob("params-*.yaml"))


def test_shares_that_are_not_as_many_as_processes_stop_the_run_before_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes are the GPUs of the training's job, as the user asked for them, on all its nodes."""
    for module in ("availability", "sufficiency"):
        monkeypatch.setattr(f"autoshrink.cli.preflight.{module}.check", lambda *_: None)
    asked = parameters(tmp_path, **{"results": str(tmp_path / "results")})
    recipe = asked.training.cnn.model_copy(update={"shares": [0.25, 0.25, 0.5]})
    asked = asked.model_copy(update={"training": asked.training.model_copy(update={"cnn": recipe})})
    given = {"gpu": 2, "nodes": 2}
    with pytest.raises(UserError, match=r"^training.cnn.shares = \[0.25, 0.25, 0.5\]: 3 shares for 4 processes"):
        preflight.begin(asked, given)
    assert not list(tmp_path.rglob("params-*.yaml"))


def test_only_copies_of_logs_are_forgotten(tmp_path: Path) -> None:
    """What `logged` keeps of a mistake goes when the next run begins; another file of that name does not."""
    (tmp_path / "train.log").write_text("a mistake\n")
    (tmp_path / "train.log.mistake").write_text("a mistake\n")
    mine = {"mine.mistake": "mine", "other.log": "words", "other.log.mistake": "mine", "alone.log.mistake": "mine"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    preflight.forget_mistakes(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {**mine, "train.log": "a mistake\n"}

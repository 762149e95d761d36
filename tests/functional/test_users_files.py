"""The user's files are the user's: raw data is only read, notes stay where they are, and one run mends all else."""

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from autoshrink import params
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records
from autoshrink.lineage.verify import ORPHANED, verify
from autoshrink.tasks import address
from tests.functional.smoke_run import RESULTS, Folder, environment

PHOTOS = """
tasks: [cnn]
datasets:
  photos: {source: imagefolder, folder: raw/photos, image_size: 8}
proxy: {cnn: {dataset: photos, train_per_class: 16, validation_per_class: 8}}
training: {cnn: {dataset: photos}}
"""
# the command given after it, with the folder RAW mounted read-only for it alone
READ_ONLY = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']


def photographed(folder: Folder) -> Folder:
    """Put small photographs of three classes into the folder and return it with an overlay that names them."""
    for label in range(3):
        place = folder.path / "raw/photos" / f"class {label}"
        place.mkdir(parents=True)
        for number in range(40):
            colour = tuple(60 * (label == channel) + number + 80 for channel in range(3))
            Image.new("RGB", (12, 12), colour).save(place / f"{number}.jpg")
    return folder.overlaid(PHOTOS)


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return time of modification and digest of every file and folder below this one."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            artifacts.digest_of_file(path) if path.is_file() else "folder",
        )
        for path in [folder, *folder.rglob("*")]
    }


def can_mount() -> bool:
    """Return whether this process may mount."""
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    return tried.returncode == 0 and os.geteuid() == 0


@pytest.fixture(scope="module")
def finished_photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, dict[str, tuple[int, str]]]:
    """A finished run on photographs that lie on a read-only mount, where this machine lets us mount; their state."""
    folder = photographed(Folder.new(tmp_path_factory.mktemp("photos") / "run"))
    raw = folder.path / "raw"
    before = state(raw)
    for path in raw.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o222)
    command = [*READ_ONLY, str(raw), *folder.command()] if can_mount() else folder.command()
    done = subprocess.run(command, cwd=folder.path, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder, before


def test_raw_data_is_only_read(finished_photos: tuple[Folder, dict[str, tuple[int, str]]]) -> None:
    """The whole pipeline runs on raw data it cannot write to, and a second run changes no byte, name or time of it."""
    folder, before = finished_photos
    done = folder.run()
    assert done.returncode == 0, done.stderr
    assert state(folder.path / "raw") == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("best.lineage.json", "damaged"),
        pytest.param("best.lineage.json", "deleted", marks=pytest.mark.slow),
        pytest.param("round-01/round.lineage.json", "damaged", marks=pytest.mark.slow),
        pytest.param("round-01/round.lineage.json", "deleted", marks=pytest.mark.slow),
        pytest.param("model/model.lineage.json", "deleted", marks=pytest.mark.slow),
    ],
)
def test_one_run_heals_a_record_and_spares_notes(
    finished_photos: tuple[Folder, dict[str, tuple[int, str]]], tmp_path: Path, name: str, damage: str
) -> None:
    """With a record of a finished step damaged or deleted, one run makes all whole; a user's notes stay."""
    folder = finished_photos[0].copied(tmp_path / "run")
    search = folder.path / RESULTS / "cnn/shrink-0"
    (search / "notes.txt").write_text("mine")
    (folder.path / RESULTS / "report/mine.html").write_text("mine")
    if damage == "damaged":
        (search / name).write_bytes((search / name).read_bytes()[:-40])
    else:
        (search / name).unlink()
    done = folder.run()
    assert done.returncode == 0, done.stderr
    whole(folder, {search / "notes.txt", folder.path / RESULTS / "report/mine.html"})


@pytest.mark.parametrize("damage", ["damaged", "deleted"])
def test_one_run_heals_the_reports_record(
    finished_photos: tuple[Folder, dict[str, tuple[int, str]]], tmp_path: Path, damage: str
) -> None:
    """The report is the end of everything: nothing after it asks for it, and it heals all the same."""
    folder = finished_photos[0].copied(tmp_path / "run")
    record = folder.path / RESULTS / "report/report.lineage.json"
    if damage == "damaged":
        record.write_text("{")
    else:
        record.unlink()
    done = folder.run()
    assert done.returncode == 0, done.stderr
    whole(folder, set())


def whole(folder: Folder, users: set[Path]) -> None:
    """Assert that nothing is wrong with the run but that the user's files are there, which are named and untouched."""
    verdict = verify(graph.read(folder.path / RESULTS))
    assert {(item.kind, item.path) for item in verdict.findings} == {(ORPHANED, path) for path in users}
    assert all(path.read_text() == "mine" for path in users)
    assert records.path_of(folder.path / RESULTS / "cnn/shrink-0/best.json").exists()


def test_files_in_the_place_of_outputs_are_left_alone(tmp_path: Path) -> None:
    """Snakemake deletes what stands where a job writes: a user's file, folder or link there ends the run before it.

    Each is named in a line of its own, no step starts, and nothing is left or changed.
    """
    folder = Folder.new(tmp_path / "run").overlaid("tasks: [rnn]")
    search = folder.path / RESULTS / "rnn/shrink-0"
    parameters = params.load([folder.path / "params.yaml", *folder.overlays])
    manifest = folder.path / address.manifest(parameters, parameters.proxy.rnn.dataset)
    in_search = [search / name for name in ("best.json", "front.json", "round-00/round.json")]
    for path in (manifest, folder.path / RESULTS / "report/metrics.csv", in_search[0]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    in_search[1].symlink_to(folder.path / "params.yaml")
    in_search[2].mkdir(parents=True)
    before = state(folder.path)
    before.pop(".")  # the run's lock and Snakemake's own folder appear in it
    done = folder.run()
    assert done.returncode == 1, done.stderr
    named = [line.partition(": is in the way")[0] for line in done.stderr.splitlines() if ": is in the way" in line]
    outputs = (manifest, folder.path / RESULTS / "report/metrics.csv", *in_search)
    assert named == [f"snakemake: {path.relative_to(folder.path)}" for path in outputs]
    assert "Traceback" not in done.stderr and not (folder.path / RESULTS / "logs").exists()
    assert {name: found for name, found in state(folder.path).items() if name in before} == before


@pytest.mark.parametrize("place", ["data", RESULTS])
def test_raw_data_where_the_pipeline_writes_is_refused(tmp_path: Path, place: str) -> None:
    """Raw and prepared data that overlap are refused at the start, in one line, and nothing is touched."""
    folder = photographed(Folder.new(tmp_path / "run"))
    (folder.path / place).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / "raw/photos").rename(folder.path / place)
    folder = folder.overlaid(f"datasets: {{photos: {{folder: {place}}}}}")
    before = state(folder.path / place)
    done = folder.run()
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "overlaps" in line]
    assert "datasets.photos.folder" in line and "Traceback" not in done.stderr
    assert state(folder.path / place) == before


def test_only_the_raw_data_that_a_target_needs_has_to_be_there(tmp_path: Path) -> None:
    """A search's answer is made without the final training's photographs; what needs them is refused."""
    folder = Folder.new(tmp_path / "run").overlaid(
        "{tasks: [cnn], references: {cnn: {networks: [chain]}}, training: {cnn: {dataset: mine}}, "
        "datasets: {mine: {source: imagefolder, folder: nowhere}}}"
    )
    done = folder.run(f"{RESULTS}/cnn/shrink-0/round-00/round.json")
    assert done.returncode == 0, done.stderr
    done = folder.run(f"{RESULTS}/cnn/shrink-0/model/model.json")
    assert done.returncode
    assert "datasets.mine.folder = 'nowhere': there is no such folder" in done.stderr

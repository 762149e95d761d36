"""An untouched run passes; one flipped byte, one missing or one stray file is named."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records
from autoshrink.lineage.repair import repair
from autoshrink.lineage.verify import ALTERED, MISSING, ORPHANED, OUTDATED, verify
from autoshrink.records.timing import StepTiming
from tests.unit.lineage import made

SEARCH = "results/cnn/shrink-0"


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """Return a copy of the made run that a test may damage."""
    shutil.copytree(pristine, tmp_path / "run")
    return tmp_path / "run"


def findings(folder: Path) -> list[tuple[str, str]]:
    """Return what is wrong with the run: kind and path relative to its folder."""
    found = verify(graph.read(folder / "results")).findings
    return [(item.kind, str(item.path.relative_to(folder))) for item in found]


def kind_of(path: Path) -> str:
    """Return the kind of a file of a run: its name without what counts and without its directories."""
    beside = next((suffix for suffix in (".lineage.json", ".timing.json") if path.name.endswith(suffix)), "")
    stem = path.parent.name if "store" in path.parts else path.stem.split(".")[0].split("-")[0]
    return ("evaluation" if "store" in path.parts else stem) + (beside or path.suffix)


def test_untouched_run_passes(folder: Path) -> None:
    """Nothing is wrong with a run that nobody touched, and all its artifacts were looked at."""
    verdict = verify(graph.read(folder / "results"))
    assert verdict.findings == ()
    assert verdict.artifacts > 20 and verdict.set_aside == verdict.leftovers == ()


def test_moved_run_passes(folder: Path, tmp_path: Path) -> None:
    """A run that was moved as a whole, data and store with it, still verifies: records name no absolute path."""
    folder.rename(tmp_path / "elsewhere")
    assert findings(tmp_path / "elsewhere") == []


@pytest.mark.slow
def test_flipped_byte_is_named(folder: Path) -> None:
    """One flipped bit of any file of the run is named: every kind of artifact, 220 random flips."""
    generator = random.Random("flips")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "params.yaml")
    by_kind: dict[str, list[Path]] = {}
    for path in files:
        by_kind.setdefault(kind_of(path), []).append(path)
    assert len(by_kind) > 25, sorted(by_kind)
    kinds = sorted(by_kind)
    for number in range(220):
        path = generator.choice(by_kind[kinds[number % len(kinds)]])
        good = path.read_bytes()
        position = generator.randrange(len(good))
        flipped = good[position] ^ (1 << generator.randrange(8))
        path.write_bytes(good[:position] + bytes([flipped]) + good[position + 1 :])
        named = {name for _, name in findings(folder)}
        # a checkpoint's tensors are vouched for by the JSON beside them
        names = {str(path.relative_to(folder)), str(path.with_suffix(".json").relative_to(folder))}
        assert named & names, f"{path}: byte {position} flipped, and only {named} named"
        path.write_bytes(good)
    assert findings(folder) == []


def test_missing_artifact_is_named(folder: Path) -> None:
    """A file that is gone is named, and no other."""
    (folder / SEARCH / "round-01/proposal.json").unlink()
    assert (MISSING, f"{SEARCH}/round-01/proposal.json") in findings(folder)


def test_stray_file_is_named(folder: Path) -> None:
    """A file that no record explains is orphaned."""
    (folder / SEARCH / "round-07").mkdir()
    (folder / SEARCH / "round-07/round.json").write_text("{}")
    assert findings(folder) == [(ORPHANED, f"{SEARCH}/round-07/round.json")]


def test_artifact_without_record_is_named(folder: Path) -> None:
    """An artifact whose record was removed is orphaned, for nobody knows any more how it was made."""
    records.path_of(folder / SEARCH / "metrics.json").unlink()
    assert (ORPHANED, f"{SEARCH}/metrics.json") in findings(folder)


def test_consistently_changed_input_makes_outdated(folder: Path) -> None:
    """An artifact made anew, differently, leaves all that was made from the old one out of date."""
    best = folder / SEARCH / "best.json"
    content = artifacts.read_sealed(best, "best", 1)
    artifacts.write_sealed(best, "best", 1, {**content, "score": 0.999})
    old = records.read(records.path_of(best))
    records.write(best, old.inputs, {best: artifacts.digest_of_file(best)}, old.facts)
    outdated = {name for kind, name in findings(folder) if kind == OUTDATED}
    assert {f"{SEARCH}/metrics.json", f"{SEARCH}/model/model.json"} <= outdated


def test_stale_rounds_are_named(folder: Path) -> None:
    """Rounds that an earlier, longer search has left are orphaned though their records are in order."""
    here = folder / SEARCH / "round-09"
    here.mkdir()
    proposal = folder / SEARCH / "round-01/proposal.json"
    shutil.copy(proposal, here / "proposal.json")
    old = records.read(records.path_of(proposal))
    records.write(here / "proposal.json", old.inputs, records.digests([here / "proposal.json"]), old.facts)
    artifacts.write_timing(here / "proposal.json", {})
    assert findings(folder) == [(ORPHANED, f"{SEARCH}/round-09/proposal.json")]


def test_other_parameters_make_outdated(folder: Path) -> None:
    """Against parameters that have changed since, what depends on them is out of date, and the key is named."""
    same = params.load([folder / "params.yaml"])
    run = graph.read(folder / "results")
    assert verify(run, same).findings == ()
    changed = params.load([folder / "params.yaml"], ["training.cnn.epochs=7"])
    found = verify(run, changed).findings
    assert {item.kind for item in found} == {OUTDATED}
    assert {item.record.verb for item in found if item.record} == {"train", "test", "report"}
    assert all("training.cnn.epochs" in item.what for item in found)


def test_leftover_of_killed_process_is_no_fault(folder: Path) -> None:
    """A temporary file of a killed process is told, but the run is still whole; repair removes it."""
    leftover = folder / SEARCH / f".best.json.{artifacts.host()}.999999999-0123abcd.tmp"
    leftover.write_text("half")
    run = graph.read(folder / "results")
    verdict = verify(run)
    assert verdict.findings == () and verdict.leftovers == (leftover,)
    assert repair(run, verdict).moved == ()
    assert not leftover.exists()


def test_digest_of_run_is_its_content(tmp_path: Path) -> None:
    """Two runs from scratch with the same seed have one digest; another seed has another."""
    digests = [verify(graph.read(made.run(tmp_path / "first"))).digest]
    digests.append(verify(graph.read(made.run(tmp_path / "again"))).digest)
    digests.append(verify(graph.read(made.run(tmp_path / "other", seed=7))).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    "name",
    [
        "round-01/round.json",
        "round-01/evaluations-0.json",
        "model/model.safetensors",
        "metrics.json",
        "best.lineage.json",
    ],
)
def test_repair_sets_damage_aside(folder: Path, name: str) -> None:
    """What is damaged gets a name that tells, and the artifact is gone so that the workflow makes it again."""
    path = folder / SEARCH / name
    damaged = b"?" + path.read_bytes()[1:]
    path.write_bytes(damaged)
    run = graph.read(folder / "results")
    lines = repair(run, verify(run)).moved
    assert len(lines) >= 1 and str(path.name) in lines[0]
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == damaged
    step_output = path.with_name("best.json") if name == "best.lineage.json" else path
    assert not step_output.exists()
    if name.startswith("model/"):
        assert not path.with_name("model.json").exists()
    assert not (folder / "results/report/metrics.md").exists(), "what was made from it is still there"


@pytest.mark.parametrize("name", ["data/digits/manifest.json", f"{SEARCH}/round-01/round.json"])
def test_repair_takes_along_what_was_made_from_it(folder: Path, name: str) -> None:
    """A file in the middle goes with all that was made from it: else no workflow would make it again."""
    (folder / name).write_bytes(b"?")
    run = graph.read(folder / "results")
    repair(run, verify(run), [folder / "data", folder / "store"])
    gone = [path for path in ("best.json", "model/model.json", "metrics.json") if not (folder / SEARCH / path).exists()]
    assert gone == ["best.json", "model/model.json", "metrics.json"]
    assert (folder / SEARCH / "round-00/round.json").exists()
    assert not list((folder / "results/report").glob("metrics.*[a-z]"))
    assert not list((folder / "store").rglob("*.outdated-*"))


@pytest.mark.parametrize(
    "name",
    [
        "results/notes.txt",
        f"{SEARCH}/notes.txt",
        f"{SEARCH}/round-01/mine.json",
        f"{SEARCH}/mine.lineage.json",
        f"{SEARCH}/model/checkpoints.bak/step-000000010.json",
        "results/report/mine.html",
        "data/digits/cats/7.jpg",
        "store/evaluations/README",
    ],
)
def test_repair_leaves_the_users_files_alone(folder: Path, name: str) -> None:
    """Files that a user put beside the pipeline's are named by verify, and left alone by repair."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("mine")
    run = graph.read(folder / "results")
    verdict = verify(run)
    assert [str(item.path) for item in verdict.findings] == [str(folder / name)]
    assert repair(run, verdict, run.folders).moved == ()
    assert (folder / name).read_text() == "mine"


def test_a_copy_that_a_user_made_is_left_alone(folder: Path) -> None:
    """A sealed file under a name that no record knows is the user's copy."""
    shutil.copy(folder / SEARCH / "best.json", folder / SEARCH / "my-best.json")
    run = graph.read(folder / "results")
    assert repair(run, verify(run), run.folders).moved == ()


def reread(folder: Path, record: Path, **changes: object) -> None:
    """Write a sealed record again with other facts, inputs or outputs: what a forger would do."""
    content = artifacts.read_sealed(record, records.KIND, records.VERSION)
    artifacts.write_sealed(record, records.KIND, records.VERSION, {**content, **changes})


def tree_of(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["input", "output", "store", "with-record", "link"])
def test_forged_record_reaches_nothing_outside(folder: Path, tmp_path: Path, how: str) -> None:
    """Whatever a record claims, repair touches no file outside the run's own folders."""
    victim = tmp_path / "victim"
    (victim / "evaluations").mkdir(parents=True)
    for name in ("manifest.json", "photo.jpg", "evaluations/a.json", "train_images.npy"):
        (victim / name).write_text("mine")
    record = records.path_of(folder / SEARCH / "best.json")
    outward = os.path.relpath(victim, record.parent)
    if how in ("input", "with-record"):
        reread(folder, record, inputs={f"{outward}/manifest.json": "0" * 64})
    if how == "with-record":  # another project's prepared data, with records in order, that does not verify
        shutil.rmtree(victim)
        shutil.copytree(folder / "data/digits", victim)
        (victim / "train_images.npy").write_text("changed")
    if how == "output":
        reread(folder, record, outputs={f"{outward}/photo.jpg": "0" * 64})
    if how == "store":
        reread(folder, record, store=outward)
    if how == "link":
        (folder / SEARCH / "best.json").unlink()
        (folder / SEARCH / "best.json").symlink_to(victim / "photo.jpg")
    before = tree_of(victim)
    run = graph.read(folder / "results")
    repair(run, verify(run), [folder / "data", folder / "store"])
    assert tree_of(victim) == before


def test_deleted_record_is_made_again(folder: Path) -> None:
    """An artifact whose record is gone is set aside with all that was made from it, so that a run makes it again."""
    records.path_of(folder / SEARCH / "best.json").unlink()
    run = graph.read(folder / "results")
    repair(run, verify(run))
    assert not [name for name in ("best.json", "metrics.json") if (folder / SEARCH / name).exists()]


def test_altered_names_both_digests(folder: Path) -> None:
    """A line about an altered file says what was found and what was recorded."""
    path = folder / SEARCH / "model/model.safetensors"
    path.write_bytes(b"foreign")
    (finding,) = [item for item in verify(graph.read(folder / "results")).findings if item.kind == ALTERED]
    assert artifacts.digest_of_file(path)[:12] in finding.what and "recorded" in finding.what


def test_temporaries_of_other_hosts_and_living_processes_stay(folder: Path) -> None:
    """In a store that hosts share, only what this host's dead processes left is removed."""
    place = folder / "store/evaluations/aa"
    place.mkdir(parents=True, exist_ok=True)
    names = {
        "dead": f".x.json.{artifacts.host()}.999999999-0123abcd.tmp",
        "alive": f".x.json.{artifacts.host()}.{os.getpid()}-0123abcd.tmp",
        "other": ".x.json.another-host.999999999-0123abcd.tmp",
    }
    for name in names.values():
        (place / name).write_text("half")
    run = graph.read(folder / "results")
    repair(run, verify(run), run.folders)
    assert {key for key, name in names.items() if (place / name).exists()} == {"alive", "other"}


def test_swapped_rounds_are_a_cycle_that_is_named(folder: Path) -> None:
    """Round folders that changed places depend on each other: every walk ends, and the records are named."""
    here = folder / SEARCH
    (here / "round-01").rename(here / "away")
    (here / "round-02").rename(here / "round-01")
    (here / "away").rename(here / "round-02")
    run = graph.read(folder / "results")
    assert run.cycle
    named = [item.what for item in verify(run).findings if item.path in run.cycle]
    assert any("depends on itself" in what for what in named)
    assert run.ancestors(run.of(here / "best.json"))
    repair(run, verify(run))
    assert not graph.read(folder / "results").cycle


def test_symlinked_folder_is_verified(folder: Path, tmp_path: Path) -> None:
    """A folder that was moved to another disk and linked is looked into as before; links in a circle end."""
    before = verify(graph.read(folder / "results"))
    (folder / SEARCH / "round-01").rename(tmp_path / "elsewhere")
    (folder / SEARCH / "round-01").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "elsewhere")
    after = verify(graph.read(folder / "results"))
    assert (after.findings, after.artifacts) == (before.findings, before.artifacts)


@pytest.mark.parametrize("what", ["pipe", "device", "dangling", "loop", "deep", "sparse"])
@pytest.mark.parametrize("name", ["best.json", "best.lineage.json", "best.timing.json", "model/checkpoints/mine"])
def test_odd_files_are_named_and_do_not_hang(folder: Path, what: str, name: str) -> None:
    """A pipe, a device, a link that leads nowhere and JSON without end are named, and every question still ends."""
    path = folder / SEARCH / name
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "dangling":
        path.symlink_to("nowhere")
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "deep":
        path.write_text("[" * 200_000)
    else:
        with path.open("wb") as file:
            file.truncate(2**40 if name != "best.json" and "mine" not in name else 2**20)
    run = graph.read(folder / "results")
    verdict = verify(run)
    assert str(path) in {str(item.path) for item in verdict.findings}
    assert run.ancestors(next(iter(run.records.values())))
    repair(run, verdict, run.folders)


@pytest.mark.parametrize("name", ["round-01/round.timing.json", "model/model.timing.json", "../../params", "store"])
def test_deleted_timing_and_snapshot_are_named(folder: Path, name: str) -> None:
    """What no digest covers is missed too: a step's timing, and the parameters' snapshot that it read."""
    path = folder / SEARCH / name
    if name == "store":
        path = next((folder / "store/evaluations").rglob("*.timing.json"))
    if path.is_dir():
        (path,) = path.resolve().glob("params-*.yaml")
    path.unlink()
    assert findings(folder) == [(MISSING, str(path.relative_to(folder)))]
    run = graph.read(folder / "results")
    assert repair(run, verify(run)).moved == ()


def test_resealed_evaluation_is_named(folder: Path) -> None:
    """An evaluation sealed anew with other numbers, its record too, is not what the run's own steps hold."""
    path = next(path for path in (folder / "store/evaluations").rglob("*.json") if len(path.stem) == 64)
    content = artifacts.read_sealed(path, "evaluation", 1)
    content["metrics"]["accuracy"] = 0.999
    artifacts.write_sealed(path, "evaluation", 1, content)
    reread(folder, records.path_of(path), outputs={path.name: artifacts.digest_of_file(path)})
    assert (ALTERED, str(path.relative_to(folder))) in findings(folder)
    run = graph.read(folder / "results")
    assert any(path.name in line for line in repair(run, verify(run), run.folders).moved)
    assert (folder / SEARCH / "best.json").exists(), "the run's own steps are intact"


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("cut")])
def test_lost_timing_is_told_once(damage: Callable[[Path], object], folder: Path) -> None:
    """A timing that is gone or damaged comes back empty: nothing is made again for it, and what is lost is said."""
    timing = artifacts.timing_path(folder / SEARCH / "best.json")
    damage(timing)
    run = graph.read(folder / "results")
    repaired = repair(run, verify(run), [folder])
    (line,) = repaired.healed
    assert "best.timing.json: is gone" in line and "not known any more" in line
    assert findings(folder) == []
    assert StepTiming.beside(folder / SEARCH / "best.json") == StepTiming()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("seed: 1\n")])
def test_lost_snapshot_is_told_once(damage: Callable[[Path], object], folder: Path) -> None:
    """A snapshot that is gone or damaged is said to be, once: steps' records hold what of it they depend on."""
    (snapshot,) = (folder / "results/params").glob("params-*.yaml")
    seconds = StepTiming.beside(folder / SEARCH / "best.json").seconds
    damage(snapshot)
    run = graph.read(folder / "results")
    repaired = repair(run, verify(run), [folder])
    (line,) = repaired.healed
    assert snapshot.name in line and "steps' own records hold" in line
    assert findings(folder) == []
    assert StepTiming.beside(folder / SEARCH / "best.json").seconds == seconds

"""One key, one set of numbers: whoever reads an evaluation compares the store with what the run took from it."""

import contextlib
import shutil
from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import agreement, graph, records
from autoshrink.lineage.verify import ALTERED, verify
from autoshrink.records.evaluation import Evaluation
from tests.unit.lineage import made

JOB = made.SEARCH / "round-01/evaluations-0.json"


def resealed(folder: Path) -> Path:
    """Give an evaluation of the store better numbers and seal it, and its record, anew; return it."""
    path = sorted(path for path in (folder / "store/evaluations").rglob("*.json") if len(path.stem) == 64)[0]
    content = artifacts.read_sealed(path, "evaluation", 1)
    content["metrics"]["accuracy"] = 0.999
    artifacts.write_sealed(path, "evaluation", 1, content)
    record = records.path_of(path)
    facts = artifacts.read_sealed(record, records.KIND, records.VERSION)
    outputs = {path.name: artifacts.digest_of_file(path)}
    artifacts.write_sealed(record, records.KIND, records.VERSION, {**facts, "outputs": outputs})
    return path


@pytest.fixture
def folder(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the made run, which is also the working folder."""
    shutil.copytree(pristine, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


ROUND = made.SEARCH / "round-01"
SEARCH = ["--task", "cnn", "--search", "shrink-0"]
READERS: dict[str, list[object]] = {
    "select": [
        *("select", *SEARCH, "--previous", made.SEARCH / "round-00/round.json", "--proposal", ROUND / "proposal.json"),
        *("--out", "new/round.json", *(ROUND / f"evaluations-{job}.json" for job in range(2))),
    ],
    "best": ["best", *SEARCH, "--out", "new/best.json", made.SEARCH / "round-00/round.json", ROUND / "round.json"],
    "why": ["lineage", "why", "accuracy_top1", "results"],
    "report": ["report", "--results", "results", "--out", "new"],
    "study": ["study", "--task", "cnn", "--results", "results", "--out", "new"],
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_refuse_numbers_that_disagree(reader: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each ends in one line that names the store's file and the run's, and writes nothing."""
    path = resealed(folder)
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in READERS[reader]])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert path.name in line and "evaluations-" in line and "holds other numbers" in line
    assert not Path("new").exists()


@pytest.mark.parametrize("words", [["show", made.SEARCH / "best.json"], ["diff", "results", "results"]])
def test_audits_tell_of_numbers_that_disagree(
    words: list[object], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever looks for what is wrong gets the answer, and the note."""
    resealed(folder)
    with contextlib.suppress(SystemExit):
        main(["lineage", *map(str, words)])
    assert "note: " in (told := capsys.readouterr().err) and "holds other numbers" in told


def test_a_run_does_not_take_other_numbers_under_a_key_it_has(folder: Path) -> None:
    """Before an evaluation is re-used, it is compared with those that the run's jobs hold under the same key."""
    path = resealed(folder)
    jobs = agreement.Jobs(folder / "results")
    with pytest.raises(ArtifactError, match="holds other numbers than results/cnn"):
        jobs.check(Evaluation.read(path), path)
    other = sorted(item for item in (folder / "store/evaluations").rglob("*.json") if len(item.stem) == 64)[1]
    jobs.check(Evaluation.read(other), other)


def test_measured_costs_are_no_disagreement(folder: Path) -> None:
    """A job adds the costs that its objective measures to what it took; all else must be the store's."""
    content = artifacts.read_sealed(JOB, "evaluations", 1)
    (slot, *_) = content["evaluations"]
    content["evaluations"][slot]["costs"]["latency_ms"] = 1.5
    artifacts.write_sealed(JOB, "evaluations", 1, content)
    assert agreement.conflicts(records.read(records.path_of(JOB))) == []
    content["evaluations"][slot]["costs"]["macs"] += 1
    artifacts.write_sealed(JOB, "evaluations", 1, content)
    (path,) = agreement.conflicts(records.read(records.path_of(JOB)))
    assert path.stem == content["evaluations"][slot]["key"]


def test_verify_names_the_stores_file(folder: Path) -> None:
    path = resealed(folder)
    assert (ALTERED, path) in [(item.kind, item.path) for item in verify(graph.read(folder / "results")).findings]

"""What the machine does to a run, and what is left of it: nothing finished is lost, and the bytes are the same."""

import datetime
import errno
import fcntl
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoshrink.cli import main, step
from autoshrink.files import artifacts
from autoshrink.lineage import graph
from autoshrink.lineage.repair import repair
from autoshrink.lineage.verify import SET_ASIDE, verify
from tests.integration import faults
from tests.unit.lineage import made

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a run by name, less what may differ: timings, and what was set aside or left behind.

    Of records the code's version is left out, so that the code may be edited while its tests run.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith((".timing.json", ".tmp")) and not SET_ASIDE.search(path.name):
            content = path.read_bytes()
            if path.name.endswith(".lineage.json"):
                value = {key: item for key, item in json.loads(content).items() if key not in ("code", "sha256")}
                content = artifacts.canonical_json(value).encode()
            found[path.relative_to(folder).as_posix()] = content
    return found


def inflict(*words: object) -> dict[str, Any]:
    """Run ``faults.py`` and return what it tells."""
    command = [sys.executable, "-m", "tests.integration.faults", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr[-2000:]
    outcome = json.loads(result.stdout)
    assert isinstance(outcome, dict)
    return outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("durability") / "undisturbed"
    made.run(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made run that a test may damage; it is also the working folder."""
    made.run(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.slow
def test_fifty_kills_lose_nothing(undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL at fifty random moments loses no finished evaluation, and the run ends in the same bytes."""
    outcome = inflict("kills", tmp_path, 50, 2020)
    assert outcome["faults"] == 50 and outcome["lost"] == []
    assert contents(tmp_path) == contents(undisturbed)
    run = graph.read(tmp_path / "results")
    repair(run, verify(run), [tmp_path])
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_error_at_every_write_loses_nothing(undisturbed: Path, tmp_path: Path, number: int) -> None:
    """A full or read-only disk at each single write, the same command after each: nothing lost, the same bytes."""
    outcome = inflict("errors", tmp_path, number)
    kinds = {"open"} if number == errno.EROFS else {"open", "write", "sync", "rename"}
    assert {point.split()[0] for point in outcome["points"]} == kinds
    assert outcome["faults"] > 40 * len(kinds) and outcome["lost"] == []
    assert contents(tmp_path) == contents(undisturbed)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_disk_error_is_one_line(folder: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that cannot write says so in one line that names the file, and ends with status 1."""
    out = made.SEARCH / "round-01/proposal.json"
    before = out.read_bytes()
    previous = made.SEARCH / "round-00/round.json"
    words = ["propose", "--task", "cnn", "--search", "shrink-0", "--previous", str(previous), "--out", str(out)]
    with faults.Injector(number, folder / "met").installed(), pytest.raises(SystemExit) as ended:
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 1
    assert line.startswith("autoshrink propose: ") and os.strerror(number) in line and "proposal.json" in line
    assert out.read_bytes() == before


def test_second_run_is_refused(tmp_path: Path) -> None:
    """A second run in the same folder is refused in one line while the first is under way."""
    (tmp_path / ".snakemake").mkdir()
    with (tmp_path / ".snakemake/run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command: list[str | Path] = [sys.executable, ROOT / "tools/run.py", "--cores", "1"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "another run" in line and str(tmp_path) in line


def test_clock_jumps_change_nothing(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says and whatever times files carry, the bytes are the same and the run verifies."""
    generator = random.Random("clock")

    def jumping() -> str:
        moment = datetime.datetime.fromtimestamp(generator.randrange(4_000_000_000), datetime.UTC)
        return moment.isoformat(timespec="seconds")

    monkeypatch.setattr(step, "_now", jumping)
    made.run(tmp_path / "run")
    for path in sorted((tmp_path / "run").rglob("*")):
        moment = generator.randrange(4_000_000_000)
        os.utime(path, (moment, moment))
    assert contents(tmp_path / "run") == contents(undisturbed)
    assert verify(graph.read(tmp_path / "run/results")).findings == ()


DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "bit-flipped": lambda content: content[:40] + bytes([content[40] ^ 4]) + content[41:],
    "foreign": lambda content: b'{"kind": "round", "of": "someone else"}\n',
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(
    "name",
    [
        "results/cnn/shrink-0/round-00/round.json",
        "results/cnn/shrink-0/round-01/proposal.json",
        "results/cnn/shrink-0/round-01/evaluations-0.json",
        "results/cnn/shrink-0/best.json",
        "results/cnn/shrink-0/best.lineage.json",
        "results/cnn/shrink-0/model/model.safetensors",
        "results/cnn/shrink-0/metrics.json",
        "results/report/metrics.md",
        "results/report/report.lineage.json",
        "data/digits/train_images.npy",
        "data/digits/manifest.json",
        "store",
    ],
)
def test_damage_is_set_aside_and_made_again(folder: Path, undisturbed: Path, name: str, how: str) -> None:
    """A damaged file is found, kept under a name that tells, and made again with the same bytes."""
    path = folder / name
    if name == "store":
        path = next(item for item in sorted(path.rglob("*.json")) if item.name.count(".") == 1)
    good = path.read_bytes()
    if len(good) <= 40 and how == "bit-flipped":
        good = path.read_bytes()
        bad = bytes([good[0] ^ 4]) + good[1:]
    else:
        bad = DAMAGE[how](good)
    path.write_bytes(bad)
    run = graph.read(folder / "results")
    moved = repair(run, verify(run), [folder]).moved
    (line,) = [line for line in moved if f"{path.name}.damaged-1" in line]
    assert "set aside" in line
    assert path.with_name(f"{path.name}.damaged-1").read_bytes() == bad
    if name == "store":  # its evaluations stand in the rounds; the next search that wants it trains it again
        artifacts.write_bytes(path, good)
    made.go(made.SETTINGS)
    assert contents(folder) == contents(undisturbed)
    assert verify(graph.read(folder / "results")).findings == ()

"""Structural tamperings: forged records, swapped folders, links, pipes.

Every question about the run ends, each tampering is named, and a repair touches nothing but the run.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from autoshrink.cli import main
from autoshrink.files import artifacts
from autoshrink.lineage import records
from tests.abuse.trial import Ledger, Outcome, Tally, trial, users
from tests.unit.lineage import made

SEARCH = made.SEARCH
Tamper = Callable[[Path], None]
# the user's own, among what the pipeline writes
NOTES = ("notes.txt", "results/notes.txt", str(SEARCH / "notes.txt"), "data/digits/notes.txt", "store/notes.txt")
ARTIFACTS = ("best.json", "best.lineage.json", "best.timing.json", "round-01/round.json", "model/model.safetensors")
QUESTIONS = (
    ["verify", "results"],
    ["why", "accuracy_top1", "results"],
    ["show", str(SEARCH / "best.json"), "--results", "results"],
    ["diff", "results", "results"],
    ["repair", "results"],
)


def trials(folder: Path, seed: int, ledger: Ledger) -> list[Tally]:
    """Tamper with a fresh copy of the run each time; ask everything, then repair."""
    made.run(folder / "pristine")
    tally = Tally("structural tamperings", "named, every question ends, nothing of the user's moved", ledger)
    for number, (name, tamper) in enumerate(_tamperings().items()):
        if tally.has(name):
            continue
        here = folder / f"{number}" / "run"
        shutil.copytree(folder / "pristine", here)
        victim = here.parent / "victim"
        shutil.copytree(folder / "pristine/data/digits", victim)
        (victim / "train_images.npy").write_text("mine, and no array")
        for name in NOTES:
            (here / name).write_text("mine")
        os.chdir(here)
        tamper(here)
        before = users(here.parent, here, NOTES)
        worst, wrong = Outcome(0, "", 0.0, 0.0), ""
        for words in QUESTIONS:
            outcome = trial(lambda words=words: main(["lineage", *words]))  # type: ignore[misc]
            complaint = ""
            # the notes are named too, and the last line counts
            told = [line for line in outcome.said.splitlines()[:-1] if "notes.txt" not in line]
            if words[0] == "verify" and (outcome.status != 1 or not told):
                complaint = f"is not named (status {outcome.status})"
            if outcome.status not in (0, 1, 2):
                complaint = f"{words[0]} ended with status {outcome.status}"
            if users(here.parent, here, NOTES) != before:
                complaint = f"{words[0]} changed a file of the user's"
            wrong = wrong or complaint
            worst = Outcome(
                None if None in (worst.status, outcome.status) else 1,
                worst.said + outcome.said,
                max(worst.seconds, outcome.seconds),
                max(worst.megabytes, outcome.megabytes),
                max(worst.clock, outcome.clock),
            )
        tally.add(name, worst, wrong)
        os.chdir(folder)
        shutil.rmtree(here.parent, ignore_errors=True)
    return [tally]


def _tamperings() -> dict[str, Tamper]:
    found: dict[str, Tamper] = {}
    for file in ARTIFACTS:
        for what, change in _ODD.items():
            found[f"{what} in place of {file}"] = lambda run, file=file, change=change: change(run / SEARCH / file)  # type: ignore[misc]
    for one, other in (("round-00", "round-01"), ("round-01", "round-02"), ("round-00", "round-02")):
        found[f"{one} and {other} swapped"] = lambda run, one=one, other=other: _swap(run / SEARCH, one, other)  # type: ignore[misc]
    found["two evaluations of the store swapped"] = _swap_evaluations
    found["an evaluation sealed anew"] = _reseal_evaluation
    for key, value in {
        "input outside the project": {"inputs": {"../../../../victim/manifest.json": "0" * 64}},
        "output outside the project": {"outputs": {"../../../../victim/train_images.npy": "0" * 64}},
        "output in another step's folder": {"outputs": {"round-01/round.json": "0" * 64}},
        "absolute output": {"outputs": {"/etc/hostname": "0" * 64}},
        "store outside the project": {"store": "../../../../victim", "outputs": {}},
        "input that is its own output": {"inputs": {"best.json": "0" * 64}},
        "endless name": {"inputs": {"x" * 5000: "0" * 64}},
        "digests that are numbers": {"inputs": {"best.json": 1}},
        "inputs that are a list": {"inputs": []},
        "facts that are text": {"code": "none", "environment": "none"},
        "no verb": {"verb": None},
        "a verb that nobody knows": {"verb": "conjure", "outputs": {"best.json": "0" * 64}},
    }.items():
        found[f"a record with {key}"] = lambda run, value=value: _forge(run / SEARCH / "best.lineage.json", value)  # type: ignore[misc]
    return found


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        path.symlink_to(target.format(name=path.name))

    return change


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**28)


def _nested(path: Path) -> None:
    path.write_text("[" * 10**6)


_ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": _fifo,
    "a link to /dev/zero": _link("/dev/zero"),
    "a link that leads nowhere": _link("nowhere"),
    "a link to itself": _link("{name}"),
    "a folder": _folder,
    "JSON nested without end": _nested,
    "256 MiB of nothing": _sparse,
    "a link to another project's file": _link("../../../../victim/manifest.json"),
}


def _swap(folder: Path, one: str, other: str) -> None:
    (folder / one).rename(folder / "away")
    (folder / other).rename(folder / one)
    (folder / "away").rename(folder / other)


def _evaluations(run: Path) -> list[Path]:
    return sorted(path for path in (run / "store/evaluations").rglob("*.json") if len(path.stem) == 64)


def _swap_evaluations(run: Path) -> None:
    one, other = _evaluations(run)[:2]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _reseal_evaluation(run: Path) -> None:
    path = _evaluations(run)[0]
    content = artifacts.read_sealed(path, "evaluation", 1)
    content["metrics"]["accuracy"] = 0.999
    artifacts.write_sealed(path, "evaluation", 1, content)
    _forge(records.path_of(path), {"outputs": {path.name: artifacts.digest_of_file(path)}})


def _forge(record: Path, changes: dict[str, object]) -> None:
    content = artifacts.read_sealed(record, records.KIND, records.VERSION)
    artifacts.write_sealed(record, records.KIND, records.VERSION, {**content, **changes})

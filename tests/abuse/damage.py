"""Flipped bits, truncations and deletions of any file of a run: `lineage verify` must name each."""

import json
import os
import random
from pathlib import Path

from autoshrink.cli import main
from tests.abuse.trial import Ledger, Outcome, Tally, digests, trial
from tests.unit.lineage import made

COUNT = 500


def trials(folder: Path, seed: int, ledger: Ledger) -> list[Tally]:
    """Damage one file after the other, put it back, and count what was named."""
    made.run(folder)
    (folder / "raw").mkdir()
    (folder / "raw/photo.jpg").write_text("mine")
    os.chdir(folder)
    before = digests([folder])
    files = sorted(path for name in ("results", "data", "store") for path in Path(name).rglob("*") if path.is_file())
    verified = "named by `lineage verify`, status 1"
    flips, cuts = Tally("bits flipped", verified, ledger), Tally("truncations and deletions", verified, ledger)
    for number in range(COUNT):
        path = files[number % len(files)]
        for tally, change in ((flips, _flip), (cuts, _cut if number % 3 else _delete)):
            if tally.has(f"{number} {path}"):
                continue
            good = path.read_bytes()
            change(path, good, random.Random(f"{seed}/{number}/{change.__name__}"))
            outcome = trial(lambda: main(["lineage", "verify", "results", "--json"]))
            path.unlink(missing_ok=True)
            path.write_bytes(good)
            complaint = "" if _names(outcome, path) else f"is not named (status {outcome.status})"
            if digests([folder]) != before:
                complaint = "left or changed a file"
            tally.add(f"{number} {path}", outcome, complaint)
    return [flips, cuts]


def _flip(path: Path, good: bytes, generator: random.Random) -> None:
    position = generator.randrange(len(good))
    flipped = good[position] ^ (1 << generator.randrange(8))
    path.write_bytes(good[:position] + bytes([flipped]) + good[position + 1 :])


def _cut(path: Path, good: bytes, generator: random.Random) -> None:
    path.write_bytes(good[: generator.randrange(len(good))])


def _delete(path: Path, good: bytes, generator: random.Random) -> None:
    path.unlink()


def _names(outcome: Outcome, path: Path) -> bool:
    """Return whether the answer names the file, or the file that vouches for it."""
    try:
        named = {item["path"] for item in json.loads(outcome.said)["findings"]}
    except (ValueError, KeyError):
        return False
    vouching = {path.with_suffix(".json"), path.with_suffix(".safetensors"), path.with_name("model.json")}
    if path.name.endswith(".lineage.json"):  # without its record, nobody can tell how a file was made
        vouching |= {Path(name) for name in named if Path(name).is_relative_to(path.parent)}
    return outcome.status == 1 and bool(named & {str(path), *map(str, vouching)})

"""A hundred kills at random moments, and a full and a read-only disk at every single write, each resumed."""

import errno
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.abuse.trial import Outcome, Tally

ROOT = Path(__file__).resolve().parents[2]
KILLS = 100


def trials(folder: Path, seed: int) -> list[Tally]:
    """Run tests/integration/faults.py, which makes each fault in a child of its own, and count what it found."""
    kills = Tally("SIGKILLs at random moments", "resumed; no finished evaluation lost")
    found, seconds = _inflict(folder / "kills", "kills", KILLS, seed)
    _count(kills, found["faults"], found["lost"], seconds)
    tallies = [kills]
    for name, number in (("full disk", errno.ENOSPC), ("read-only disk", errno.EROFS)):
        tally = Tally(
            f"{name} at every write", "ends with the disk's own error; the same command goes on; nothing lost"
        )
        found, seconds = _inflict(folder / name.replace(" ", "-"), "errors", number)
        _count(tally, found["faults"], found["lost"], seconds)
        tallies.append(tally)
    return tallies


def _count(tally: Tally, faults: int, lost: list[str], seconds: float) -> None:
    for _ in range(faults):
        tally.add("", Outcome(0, "", seconds / max(faults, 1), 0.0))
    tally.wrong += [f"lost {name}" for name in lost]


def _inflict(folder: Path, *words: object) -> tuple[dict[str, Any], float]:
    folder.mkdir(parents=True)
    what, *numbers = map(str, words)
    command = [sys.executable, "-m", "tests.integration.faults", what, str(folder), *numbers]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)
    if done.returncode:
        return {"faults": 1, "lost": [done.stderr.strip().splitlines()[-1]]}, time.perf_counter() - start
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - start

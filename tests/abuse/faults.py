"""A hundred kills at random moments, and a full and a read-only disk at every single write, each resumed.

What is disturbed are real steps, one process for all; that Snakemake is killed too is tests/integration's.
"""

import contextlib
import errno
import importlib
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from autoshrink.cli import main
from tests.abuse import pipeline
from tests.abuse.inputs.cases import preload
from tests.abuse.trial import Ledger, Outcome, Tally, trial, users
from tests.integration.faults import Injector, lost
from tests.unit.lineage.made import due

KILLS = 100
# processor seconds that a step or several get before they are killed, at most
LONGEST = 1.5
# processor seconds for all steps together, at most
WHOLE_RUN = 120.0
STEPS = slice(None)


def trials(folder: Path, seed: int, ledger: Ledger) -> list[Tally]:
    """Kill and refuse writes, first one, then the other; the results are those of a run that nothing disturbed."""
    preload()
    expected = _undisturbed(folder / "undisturbed")
    tallies = [_kills(folder, seed, ledger, expected)]
    for name, number in (("full disk", errno.ENOSPC), ("read-only disk", errno.EROFS)):
        says = "ends in a line that names the file; the same command goes on; nothing lost, same results"
        tally = Tally(f"{name} at every write", says, ledger)
        _refuse_writes(folder / name.replace(" ", "-"), number, tally, expected)
        tallies.append(tally)
    return tallies


def _undisturbed(folder: Path) -> dict[str, bytes]:
    pipeline.write(folder)
    os.chdir(folder)
    outcome = trial(_imported(folder.parent / "imported"), most_seconds=WHOLE_RUN)
    assert outcome.status == 0, outcome.said
    for name in (folder.parent / "imported").read_text().split():  # so that no fork need import it
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return pipeline.contents()


def _imported(path: Path) -> Callable[[], None]:
    def work() -> None:
        pipeline.go_on()
        path.write_text(" ".join(sorted(name for name in sys.modules if not name.startswith(("tests", "__")))))

    return work


def _kills(folder: Path, seed: int, ledger: Ledger, expected: dict[str, bytes]) -> Tally:
    """Kill runs at random moments of their processor time, each again and again until it is done; then the next."""
    says = "resumed; no finished evaluation lost or made twice, same results, the run verifies"
    tally = Tally("SIGKILLs at random moments", says, ledger)
    number = runs = 0
    while number < KILLS:
        here = folder / f"killed-{runs}"
        runs += 1
        pipeline.write(here)
        os.chdir(here)
        mine, before, is_done = users(here, here, pipeline.NOTES), pipeline.evaluations(), False
        while number < KILLS and not is_done:
            name = f"kill {number}"
            if tally.has(name):
                number += 1
                continue
            share = random.Random(f"{seed}/{name}").uniform(0.02, LONGEST)
            outcome = trial(pipeline.go_on, killed_after=share)
            is_done = outcome.status == 0
            complaint = _complaint(outcome, mine, before)
            before = pipeline.evaluations()
            if not is_done:
                tally.add(name, Outcome(0, outcome.said, *_figures(outcome)), complaint)
                number += 1
            elif complaint:
                tally.wrong.append(f"the run after {name}: {complaint}")
        if complaint := _ended(expected):
            tally.wrong.append(f"the run of kills up to {number}: {complaint}")
    return tally


def _complaint(outcome: Outcome, mine: dict[str, str], before: dict[str, bytes]) -> str:
    if outcome.status not in (0, -9):
        return f"ended by itself with status {outcome.status}: {outcome.said[-200:]}"
    if gone := lost(before, pipeline.evaluations()):
        return f"lost {gone}"
    return "" if users(Path.cwd(), Path.cwd(), pipeline.NOTES) == mine else "changed a file of the user's"


def _ended(expected: dict[str, bytes]) -> str:
    """Let the run end undisturbed; return what is wrong with it then."""
    outcome = trial(pipeline.go_on, most_seconds=WHOLE_RUN)
    if outcome.status != 0:
        return f"does not go on (status {outcome.status}): {outcome.said[-300:]}"
    now = pipeline.contents()
    if differing := sorted(name for name in {*now, *expected} if now.get(name) != expected.get(name)):
        return f"other results: {differing[:3]}"
    trial(lambda: main(["lineage", "repair", "results"]))
    verified = trial(lambda: main(["lineage", "verify", "results"]))
    told = [line for line in verified.said.splitlines() if not line.startswith("note: ")]
    strangers = [line for line in told[:-1] if "notes.txt" not in line]  # the user's, which verify names and leaves
    return f"verify: {strangers[:2]}" if strangers else ""


def _refuse_writes(folder: Path, number: int, tally: Tally, expected: dict[str, bytes]) -> None:
    """Do step after step; each write point of each fails once, the same command again after each failure."""
    pipeline.write(folder)
    os.chdir(folder)
    met = folder.parent / f"{folder.name}.met"
    # nothing can be opened for writing in a read-only folder; a disk can be full at any of the four
    kinds = ("open",) if number == errno.EROFS else ("open", "write", "sync", "rename")
    mine = users(folder, folder, pipeline.NOTES)
    done = [row for row in tally.ledger.of(tally.kind) if tally.has(row)]
    met.write_text("".join(f"{name.replace('@', str(folder))}\n" for name in done))
    for artifact, words in pipeline.steps()[STEPS]:
        for _ in range(1000):
            before, points = pipeline.evaluations(), len(met.read_text().splitlines())

            def work(words: list[str] = words) -> None:
                with Injector(number, met, kinds).installed():
                    pipeline.run(words)

            outcome = trial(work)
            now = met.read_text().splitlines()
            name = " ".join(now[-1:]).replace(str(folder), "@")
            if outcome.status == 0:
                break
            complaint = ""
            last = outcome.said.strip().splitlines()[-1:] or [""]
            if outcome.status != 1 or len(now) != points + 1:
                complaint = f"status {outcome.status}: {outcome.said[-300:]}"
            elif os.strerror(number) not in last[0] or not last[0].startswith(f"autoshrink {words[0]}: "):
                complaint = f"does not say so: {last[0]}"
            elif gone := lost(before, pipeline.evaluations()):
                complaint = f"lost {gone}"
            elif users(folder, folder, pipeline.NOTES) != mine:
                complaint = "changed a file of the user's"
            tally.add(name, outcome, complaint)
        if due(artifact):
            tally.wrong.append(f"{words[0]}: never ended well")
    if complaint := _ended(expected):
        tally.wrong.append(complaint)


def _figures(outcome: Outcome) -> tuple[float, float, float]:
    return outcome.seconds, outcome.megabytes, outcome.clock

"""Runs all trials and writes docs/reference/abuse.md: `python -m tests.abuse [SEED]`, or `make abuse`."""

import platform
import sys
import tempfile
import time
from pathlib import Path

from autoshrink.runtime import numerics
from tests.abuse import damage, faults, mistakes, tampering
from tests.abuse.trial import MEGABYTES, SECONDS, Tally

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/abuse.md"


def main(seed: int) -> int:
    """Run all trials; return how many were not answered as they should be."""
    numerics.apply("portable")
    start = time.perf_counter()
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory() as folder:
        for family in (damage, tampering, mistakes, faults):
            tallies += family.trials(Path(folder) / family.__name__.rpartition(".")[2], seed)
            for tally in tallies[-3:]:
                print(f"{tally.kind}: {tally.count}, {len(tally.wrong)} wrong", flush=True)
    PAGE.write_text(page(tallies, seed, time.perf_counter() - start))
    for tally in tallies:
        for line in tally.wrong:
            print(f"{tally.kind}: {line}")
    return sum(len(tally.wrong) for tally in tallies)


def page(tallies: list[Tally], seed: int, seconds: float) -> str:
    """Return the report as Markdown."""
    rows = "".join(
        f"| {tally.kind} | {tally.count} | {tally.expected} | {tally.count - len(tally.wrong)} of {tally.count} "
        f"| {tally.seconds:.1f} s | {tally.megabytes:.0f} MB |\n"
        for tally in tallies
    )
    wrong = [f"- {tally.kind}: {line}\n" for tally in tallies for line in tally.wrong]
    others = "".join(wrong) or "None.\n"
    count = sum(tally.count for tally in tallies)
    where = f"{platform.machine()} under Python {platform.python_version()}"
    return f"""# Abuse

What happens when files are damaged, forged or lost, processes killed, disks full and inputs wrong. `make abuse` makes
this page: {count:,} trials, seed {seed}, in {seconds / 60:.0f} minutes on {where}. Around each trial the user's files
(raw data, notes, other projects) are digested; it counts as answered only if they stayed the same, nothing ended in a
traceback, and nothing took more than {SECONDS:.0f} s or {MEGABYTES:,.0f} MB.

| trials | count | what is expected | answered so | slowest | largest |
| --- | ---: | --- | ---: | ---: | ---: |
{rows}
The run that is abused has every kind of artifact; its trainings are stand-ins, so that a thousand trials take minutes.
Real trainings are killed and resumed in `tests/integration`; whole runs of the workflow are mended, and run on
read-only raw data, in `tests/functional/test_users_files.py`. Kills and full disks are timed together, without memory.

## Not answered as expected

{others}"""


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2020), 1))

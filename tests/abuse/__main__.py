"""Runs all trials and writes docs/reference/abuse.md: `python -m tests.abuse [SEED]`, or `make abuse`.

Each trial that is done is kept in .abuse/, under a digest of the code that it tried: stopped, the command goes on from
there; after a change of the code it begins anew.
"""

import hashlib
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autoshrink.runtime import numerics
from tests.abuse import damage, faults, mistakes, tampering
from tests.abuse.trial import MEGABYTES, PATIENCE, SECONDS, Ledger, Tally

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/abuse.md"
TRIED = ("src", "tests/abuse", "tests/unit/lineage/made.py", "tests/integration/faults.py", "tests/functional")


def main(seed: int) -> int:
    """Run all trials; return how many were not answered as they should be."""
    numerics.apply("portable")
    code = tried()
    ledger = Ledger(ROOT / ".abuse" / f"{seed}-{code[:12]}.jsonl")
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory() as folder:
        for family in (damage, tampering, mistakes, faults):
            start = time.perf_counter()
            found = family.trials(Path(folder) / family.__name__.rpartition(".")[2], seed, ledger)
            for tally in found:
                print(f"{tally.kind}: {tally.count}, {len(tally.wrong)} wrong", flush=True)
            print(f"{family.__name__}: {time.perf_counter() - start:.0f} s", flush=True)
            tallies += found
    PAGE.write_text(page(tallies, seed, code))
    for tally in tallies:
        for line in tally.wrong:
            print(f"{tally.kind}: {line}")
    return sum(len(tally.wrong) for tally in tallies)


def tried() -> str:
    """Return the sha256 of all files that the trials try, or are made of."""
    names = subprocess.run(["git", "ls-files", "-z", *TRIED], cwd=ROOT, capture_output=True, check=True).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, names.decode().split("\0"))):
        digest.update(f"{name}\0".encode() + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()


def page(tallies: list[Tally], seed: int, code: str) -> str:
    """Return the report as Markdown; ``code`` is the digest of what was tried."""
    rows = "".join(
        f"| {tally.kind} | {tally.count} | {tally.expected} | {tally.count - len(tally.wrong)} of {tally.count} "
        f"| {tally.seconds:.1f} s | {tally.clock:.1f} s | {tally.megabytes:.0f} MB |\n"
        for tally in tallies
    )
    wrong = [f"- {tally.kind}: {line}\n" for tally in tallies for line in tally.wrong]
    others = "".join(wrong) or "None.\n"
    count = sum(tally.count for tally in tallies)
    where = f"{platform.machine()} under Python {platform.python_version()}"
    tried = f"of the code whose files' sha256 begins with {code[:12]}"
    return f"""# Abuse

What happens when files are damaged, forged or lost, processes killed, disks full and inputs wrong. `make abuse` makes
this page: {count:,} trials, seed {seed}, on {where}, {tried}. Around each
trial everything outside the pipeline's own folders (parameters, raw data, other projects) and the user's notes inside
them are digested; it counts as answered only if all of that stayed the same, nothing ended in a traceback, and nothing
took more than {SECONDS:.0f} s of the processor's time (the clock of a machine that does other work says more) or
{MEGABYTES:,.0f} MB, or waited for {PATIENCE:.0f} s.

| trials | count | what is expected | answered so | slowest | on the clock | largest |
| --- | ---: | --- | ---: | ---: | ---: | ---: |
{rows}
The run that is damaged and tampered with has every kind of artifact; its trainings are stand-ins, so that a thousand
trials take minutes. Kills and full disks hit real steps, trainings included, one process for all; Snakemake is killed
with its jobs in `tests/integration/test_kills.py`. Whole runs of the workflow are mended, and run on read-only raw
data, in `tests/functional/test_users_files.py`.

## Not answered as expected

{others}"""


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2020), 1))

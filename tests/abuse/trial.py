"""One trial: a command in a process of its own, with its status, what it said, its time and its memory.

Every trial becomes a row of a ledger as soon as it is done, so that a run of two thousand that is stopped goes on where
it was.
"""

import contextlib
import hashlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS, MEGABYTES = 10.0, 1000.0
OWN = ("results", "data", "store")
"""The folders that the pipeline may write to, by the default ``paths``."""
PATIENCE = 60.0
"""A trial that uses no processor for so many seconds on the clock waits for ever and is stopped."""


@dataclass(frozen=True)
class Outcome:
    """What a command did: ``status`` is None where it had to be stopped; ``seconds`` are the processor's, whatever else
    the machine does, ``clock`` those on the clock."""

    status: int | None
    said: str
    seconds: float
    megabytes: float
    clock: float = 0.0

    def complaint(self) -> str:
        """Return what no command may do, whatever was asked of it; empty where it did nothing of this."""
        if self.status is None:
            return f"had to be stopped after {self.clock:.0f} s"
        if self.seconds > SECONDS:
            return f"took {self.seconds:.1f} s"
        if self.megabytes > MEGABYTES:
            return f"took {self.megabytes:.0f} MB"
        return "ended in a traceback" if "Traceback" in self.said else ""


class Ledger:
    """The trials that are done, one JSON line each in ``path``; None: they are kept nowhere."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):  # the last one may have been cut short by a kill
                    row = json.loads(line)
                    self._rows[row["kind"], row["name"]] = row

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return the row of a trial that is done."""
        return self._rows.get((kind, name))

    def of(self, kind: str) -> list[str]:
        """Return the names of the trials of a kind that are done, in order."""
        return [name for of, name in self._rows if of == kind]

    def add(self, **row: Any) -> None:
        """Append a row."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")


@dataclass
class Tally:
    """The trials of one kind: how many were answered as they should be, and what was wrong with the others."""

    kind: str
    expected: str
    ledger: Ledger = field(default_factory=Ledger)
    count: int = 0
    seconds: float = 0.0
    clock: float = 0.0
    megabytes: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Return whether a trial is done already, by the ledger; it is counted then."""
        row = self.ledger.get(self.kind, name)
        if row is not None:
            self._count(name, row["seconds"], row["clock"], row["megabytes"], row["complaint"])
        return row is not None

    def add(self, name: str, outcome: Outcome, complaint: str = "") -> None:
        """Count a trial; ``complaint`` says what is wrong with it, where something is."""
        complaint = complaint or outcome.complaint()
        seconds, clock, megabytes = round(outcome.seconds, 2), round(outcome.clock, 2), round(outcome.megabytes)
        facts: Any = {"seconds": seconds, "clock": clock, "megabytes": megabytes, "complaint": complaint}
        self.ledger.add(kind=self.kind, name=name, **facts)
        self._count(name, seconds, clock, megabytes, complaint)

    def _count(self, name: str, seconds: float, clock: float, megabytes: float, complaint: str) -> None:
        self.count += 1
        self.seconds = max(self.seconds, seconds)
        self.clock = max(self.clock, clock)
        self.megabytes = max(self.megabytes, megabytes)
        if complaint:
            self.wrong.append(f"{name}: {complaint}")


def trial(
    work: Callable[[], object], *, killed_after: float | None = None, most_seconds: float = 2 * SECONDS
) -> Outcome:
    """Do ``work`` in a child of this process, which has imported everything already.

    It is stopped where it hangs, or uses ``most_seconds`` of the processor; ``killed_after`` so many, it is killed, and
    its status is then -9.
    """
    with tempfile.TemporaryFile() as told:
        start = time.perf_counter()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _become(work, told.fileno())
        ended = _ends_by_itself(child, most_seconds if killed_after is None else killed_after)
        if not ended:
            os.kill(child, signal.SIGKILL)
            ended = killed_after is not None
        _, status, usage = os.wait4(child, 0)
        took = time.perf_counter() - start
        told.seek(0)
        said = told.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status) if ended else None
    return Outcome(code, said, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, took)


def _ends_by_itself(child: int, seconds: float) -> bool:
    """Wait until a process has ended; False where it has used so many seconds of the processor, or hangs."""
    waiting = os.pidfd_open(child)
    used, since = 0.0, time.monotonic()
    try:
        while not select.select([waiting], [], [], 0.005 if seconds < SECONDS else 0.5)[0]:
            now = _used(child)
            if now > used:
                used, since = now, time.monotonic()
            if now >= seconds or time.monotonic() - since > PATIENCE:
                return False
    finally:
        os.close(waiting)
    return True


def _used(process: int) -> float:
    """Return the seconds of the processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _become(work: Callable[[], object], descriptor: int) -> None:
    """Run in the child: everything said goes to the file, and whatever happens ends here."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # whatever the parent's are: pytest puts files of its own in their place
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = 0
    try:
        work()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def digests(folders: Sequence[Path]) -> dict[str, str]:
    """Return the digest of every file in these folders, and where every link leads."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                found[str(path)] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path)] = _digest(path)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def users(place: Path, run: Path, notes: Sequence[str]) -> dict[str, str]:
    """Return the digests of all that is the user's below ``place``: everything outside the own folders of the pipeline
    at work in ``run``, and the user's ``notes`` (paths in ``run``) inside these."""
    own = [run / name for name in OWN]
    mine = {str(run / name) for name in notes}
    found = digests([place])
    return {
        name: digest
        for name, digest in found.items()
        if name in mine or not any(Path(name).is_relative_to(folder) for folder in own)
    }

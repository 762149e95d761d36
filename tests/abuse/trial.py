"""One trial: a command in a process of its own, with its status, what it said, its time and its memory."""

import hashlib
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

SECONDS, MEGABYTES = 10.0, 1000.0


@dataclass(frozen=True)
class Outcome:
    """What a command did. ``status`` is None where it had to be stopped."""

    status: int | None
    said: str
    seconds: float
    megabytes: float


@dataclass
class Tally:
    """The trials of one kind: how many were answered as they should be, and what was wrong with the others."""

    kind: str
    expected: str
    count: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome, complaint: str = "") -> None:
        """Count a trial; ``complaint`` says what is wrong with it, where something is."""
        self.count += 1
        self.seconds = max(self.seconds, outcome.seconds)
        self.megabytes = max(self.megabytes, outcome.megabytes)
        if outcome.status is None or outcome.seconds > SECONDS:
            complaint = complaint or f"took {outcome.seconds:.1f} s"
        elif outcome.megabytes > MEGABYTES:
            complaint = complaint or f"took {outcome.megabytes:.0f} MB"
        elif "Traceback" in outcome.said:
            complaint = complaint or "ended in a traceback"
        if complaint:
            self.wrong.append(f"{name}: {complaint}")


def trial(work: Callable[[], object], *, seconds: float = 2 * SECONDS) -> Outcome:
    """Do ``work`` in a child of this process, which has imported everything already."""
    with tempfile.TemporaryFile() as told:
        start = time.perf_counter()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _become(work, told.fileno())
        waiting = os.pidfd_open(child)
        ended, _, _ = select.select([waiting], [], [], seconds)
        os.close(waiting)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        took = time.perf_counter() - start
        told.seek(0)
        said = told.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status) if ended else None
    return Outcome(code, said, took, usage.ru_maxrss / 1024)


def _become(work: Callable[[], object], descriptor: int) -> None:
    """Run in the child: everything said goes to the file, and whatever happens ends here."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
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
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

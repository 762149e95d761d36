"""Faults to inject into a process: a full or read-only disk at a chosen write, or death at a chosen moment.

    python faults.py kills FOLDER COUNT SEED      run the made pipeline there again and again, killing it COUNT times
    python faults.py errors FOLDER ERRNO          fail once at every single write point, going on after each failure

Prints, as JSON, how many faults there were and which finished evaluations were ever lost. Children are forked from one
process that has imported everything, so that hundreds of faults take seconds.
"""

import contextlib
import errno
import io
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from autoshrink.errors import ArtifactError
from autoshrink.lineage import environment
from autoshrink.records.evaluation import Evaluation
from tests.unit.lineage import made

FAILED, DONE = 3, 0
# the part of temporary names that differs from process to process
_RANDOM = re.compile(r"\.[A-Za-z0-9_-]+\.\d+-[0-9a-f]{8}\.tmp")


class Injector:
    """Fails at each write point once: opening a temporary file, writing it, flushing it, naming it.

    ``met`` is a file that remembers across processes which points have failed already; ``kinds`` says which of the four
    points of a file fail.
    """

    def __init__(self, number: int, met: Path, kinds: Sequence[str] = ("open", "write", "sync", "rename")) -> None:
        self.number, self.met, self.kinds = number, met, kinds
        self.seen = set(met.read_text().splitlines()) if met.exists() else set()

    def visit(self, kind: str, name: object) -> None:
        """Fail if this point has not failed before."""
        point = f"{kind} {_RANDOM.sub('', str(name))}"
        if kind in self.kinds and point not in self.seen:
            with self.met.open("a") as file:
                print(point, file=file)
            raise OSError(self.number, os.strerror(self.number), str(name))

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Put the injector between the code and the operating system."""
        real_open, real_sync, real_replace = io.open, os.fsync, Path.replace

        def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if mode != "xb":
                return real_open(file, mode, *rest, **options)
            self.visit("open", file)
            return _Full(self, real_open(file, mode, 0))

        def synced(descriptor: int) -> None:
            self.visit("sync", Path(f"/proc/self/fd/{descriptor}").readlink())
            real_sync(descriptor)

        def replaced(path: Path, target: Path) -> Path:
            self.visit("rename", target)
            return real_replace(path, target)

        io.open, os.fsync, Path.replace = opened, synced, replaced  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            io.open, os.fsync, Path.replace = real_open, real_sync, real_replace  # type: ignore[method-assign]


class _Full(io.BufferedWriter):
    """A file that takes half of the first write and then has no room, as a full disk does."""

    def __init__(self, injector: Injector, raw: Any) -> None:
        super().__init__(raw)
        self.injector = injector

    def write(self, content: Any) -> int:
        try:
            self.injector.visit("write", self.raw.name)  # type: ignore[attr-defined]
        except OSError:
            super().write(bytes(content)[: len(bytes(content)) // 2])
            raise
        return super().write(content)


def warm_up() -> None:
    """Learn in this process what every child would have to find out anew."""
    environment.code()
    environment.libraries()
    made._load(yaml.safe_dump(made.SETTINGS))


def forked(work: Callable[[], None]) -> int:
    """Run ``work`` in a child and return the child's process number."""
    child = os.fork()
    if child:
        return child
    status = FAILED
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            work()
            status = DONE
        except BaseException as error:
            status = FAILED if isinstance(error, OSError | AssertionError | SystemExit) else 4
        finally:
            os._exit(status)


def evaluations(folder: Path) -> dict[str, bytes]:
    """Return the finished evaluations of the store: those that read back whole."""

    found = {}
    for path in sorted((folder / "store").rglob("*.json")):
        if not path.name.endswith((".lineage.json", ".timing.json")):
            with contextlib.suppress(ArtifactError):
                Evaluation.read(path)
                found[str(path)] = path.read_bytes()
    return found


def lost(before: dict[str, bytes], now: dict[str, bytes]) -> list[str]:
    """Return the evaluations that were finished before and are not now, or not the same."""
    return [name for name, content in before.items() if now.get(name) != content]


def kills(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Kill the pipeline ``count`` times at random moments, then let it end."""
    generator = random.Random(seed)
    os.chdir(folder)
    gone: list[str] = []
    killed = starts = 0
    before: dict[str, bytes] = {}
    while killed < count:
        starts += 1
        child = forked(lambda: made.go(made.SETTINGS))
        time.sleep(generator.uniform(0.0, 0.12))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        now = evaluations(folder)
        gone += lost(before, now)
        before = now
        if os.WIFSIGNALED(status):
            killed += 1
        else:  # it ended before the blow fell: take away some of its steps, as a changed parameter would
            assert os.WEXITSTATUS(status) == DONE, f"status {os.WEXITSTATUS(status)}"
            for path in generator.sample(sorted(folder.rglob("*.lineage.json")), 5):
                if "store" not in path.parts:
                    path.unlink()
    _, status = os.waitpid(forked(lambda: made.go(made.SETTINGS)), 0)
    assert os.WEXITSTATUS(status) == DONE
    return {"faults": killed, "starts": starts, "lost": gone + lost(before, evaluations(folder))}


def errors(folder: Path, number: int) -> dict[str, Any]:
    """Fail once at each write point with the error ``number``, the same command again after each failure."""
    os.chdir(folder)
    met = folder / "met"
    gone: list[str] = []
    before: dict[str, bytes] = {}

    def work() -> None:
        # nothing can be opened for writing in a read-only folder; a disk can be full at any of the four
        kinds = ("open",) if number == errno.EROFS else ("open", "write", "sync", "rename")
        with Injector(number, met, kinds).installed():
            made.go(made.SETTINGS)

    for faults in range(2000):
        _, status = os.waitpid(forked(work), 0)
        now = evaluations(folder)
        gone += lost(before, now)
        before = now
        if os.WEXITSTATUS(status) == DONE:
            points = met.read_text().splitlines()
            met.unlink()
            return {"faults": faults, "points": points, "lost": gone}
        assert os.WEXITSTATUS(status) == FAILED, f"status {os.WEXITSTATUS(status)}"
    raise AssertionError("the pipeline never ended")


if __name__ == "__main__":
    what, where, *numbers = sys.argv[1:]
    warm_up()
    run: Any = {"kills": kills, "errors": errors}[what]
    outcome = run(Path(where), *map(int, numbers))
    print(json.dumps(outcome))

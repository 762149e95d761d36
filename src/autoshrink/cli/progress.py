"""Report a verb's progress: as records in a file that ``status`` and the live view read, and as lines for people."""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from autoshrink.records.progress import Event, ProgressFile

Command = TypeVar("Command", bound=Callable[..., Any])


class Lines:
    """Says one line per event on stderr, the time since the start last, and writes it to the progress file."""

    def __init__(self, file: ProgressFile) -> None:
        self._file = file
        self._started = time.monotonic()
        self._before = 0.0

    def say(self, event: Event, **facts: Any) -> None:
        """Report an event; ``facts`` are the fields of ``Progress``."""
        entry = self._file.write(event, **facts)
        click.echo(f"{entry.words()} [{time.monotonic() - self._started:.1f} s]", err=True)

    def resume(self, done: float) -> None:
        """Take note that the share ``done`` (0 to 1) was behind when this process began."""
        self._before = done

    def remaining(self, done: float) -> float | None:
        """Return an estimate of the seconds left when the share ``done`` is behind, None where there is none yet."""
        passed = time.monotonic() - self._started
        return passed * (1 - done) / (done - self._before) if done > self._before else None


def reported(command: Command) -> Command:
    """Add ``--progress``; the command receives ``lines`` and runs inside its file."""

    @functools.wraps(command)
    def run(*arguments: Any, progress: Path | None, **options: Any) -> Any:
        # under torchrun the first process speaks for all
        is_other = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"
        with ProgressFile(None if is_other else progress) as file:
            return command(*arguments, lines=Lines(file), **options)

    return click.option(
        "--progress",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to write progress, as JSON lines, for `autoshrink status`.",
    )(run)  # type: ignore[return-value]

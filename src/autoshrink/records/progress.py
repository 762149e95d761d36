"""Progress of a step: JSON lines that the running step appends. No result depends on them."""

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Literal

from pydantic import Field, ValidationError

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.records.record import Count, Metrics, Number, Record, mismatch, optional
from autoshrink.runtime.preemption import Preempted

Event = Literal["started", "resumed", "working", "epoch", "candidate", "grown", "ended", "stopped", "failed"]
STOPPED = (KeyboardInterrupt, Preempted)


class Progress(Record):
    """One event of a step. Fields that say nothing about it are left out of the file."""

    time: Number
    """Seconds since 1970."""
    event: Event
    """``working`` comes within an epoch, ``epoch`` at its end, ``candidate`` at the end of a candidate's training,
    ``grown`` when the network has got wider;
    ``ended``, ``stopped`` (the same command goes on) and ``failed`` are the last ones."""
    host: Annotated[str | None, Field(exclude_if=optional)] = None
    process: Annotated[Count | None, Field(exclude_if=optional)] = None
    slot: Annotated[Count | None, Field(exclude_if=optional)] = None
    """The candidate."""
    epoch: Annotated[Count | None, Field(exclude_if=optional)] = None
    """The epoch that ended or, while ``working``, is under way; counted from 1."""
    epochs: Annotated[Count | None, Field(exclude_if=optional)] = None
    """Epochs at most."""
    reused: Annotated[bool | None, Field(exclude_if=optional)] = None
    """Whether the store had the candidate's evaluation."""
    seconds_left: Annotated[Number | None, Field(exclude_if=optional)] = None
    numbers: Annotated[Metrics | None, Field(exclude_if=optional)] = None
    """What was measured, by name, most wanted first."""
    message: Annotated[str | None, Field(exclude_if=optional)] = None

    def words(self, *, width: int | None = None) -> str:
        """Return the event in one line, for people: epoch, time left, loss and quality first.

        ``width``, for terminals, is how many characters it may take: it is left unsaid that numbers are the
        validation's, and numbers that do not fit are left out whole.
        """
        if self.event in ("started", "ended"):
            return self.event
        if self.event in ("stopped", "failed"):
            return self.message or self.event
        head = [] if self.slot is None else [f"slot {self.slot}"]
        if self.event == "grown":
            head.append(self.message or self.event)
        elif self.event == "resumed":
            head.append(f"resumed from {self.message} in epoch {self.epoch} of {self.epochs}")
        elif self.event == "candidate":
            head.append(f"{'re-used' if self.reused else 'done'} after {self.epoch} epochs")
        else:
            head.append(f"epoch {self.epoch} of {self.epochs}")
        if self.seconds_left is not None:
            head.append(f"{duration(self.seconds_left)} left")
        said = {key if width is None else key.removeprefix("validation_"): value for key, value in self._known}
        numbers = [f"{key.replace('_', ' ')} {value:.4g}" for key, value in said.items()]
        if width is None:
            return ", ".join(head) + (": " + ", ".join(numbers) if numbers else "")
        return fitting([", ".join(head)], numbers, width)

    @property
    def _known(self) -> Iterator[tuple[str, float]]:
        """The numbers that were measured."""
        return ((key, value) for key, value in (self.numbers or {}).items() if value is not None)


class ProgressFile:
    """Writes a step's progress: truncates the file, appends line by line, and ends with how the step did.

    Without a path nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> "ProgressFile":
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        self.write("started", host=artifacts.host(), process=os.getpid())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):  # the step's own error matters more
            if error is None:
                self.write("ended")
            else:
                said = str(error) if isinstance(error, UserError | Preempted) else f"{type(error).__name__}: {error}"
                said = " ".join(said.split())
                self.write("stopped" if isinstance(error, STOPPED) else "failed", message=said)
            if self._file:
                self._file.close()

    def write(self, event: Event, **facts: Any) -> Progress:
        """Append an event that happens now, and return it; ``facts`` are its other fields."""
        entry = Progress(time=round(time.time(), 3), event=event, **facts)
        if self._file:
            self._file.write(entry.model_dump_json() + "\n")
            self._file.flush()
        return entry


def read(path: Path) -> list[Progress]:
    """Return the events of a progress file, none where there is no file.

    A last line that is not complete yet is left out. Raises ArtifactError where another line is damaged.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(Progress.model_validate_json(line))
        except ValidationError as error:
            raise ArtifactError(f"{path}, line {number}: {mismatch('progress', error)}") from None
    return entries


def leading(numbers: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Return the finite floats among ``numbers``, loss and quality first, validation's before training's."""
    values = {key: value for key, value in numbers.items() if isinstance(value, float) and math.isfinite(value)}
    first = [f"{prefix}{name}" for prefix in ("validation_", "", "train_") for name in ("loss", metric)]
    return {
        key: values[key] for key in sorted(values, key=lambda key: first.index(key) if key in first else len(first))
    }


def fitting(head: Sequence[str], numbers: Sequence[str], width: int) -> str:
    """Return ``head: number, number, ...`` with as many of the numbers as fit into ``width`` characters, whole."""
    said = ", ".join(head)
    for place, number in enumerate(numbers):
        longer = f"{said}{', ' if place else ': '}{number}"
        if len(longer) > width:
            break
        said = longer
    return said


def duration(seconds: float) -> str:
    """Return a time in words, such as 90 s, 5 min or 2.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

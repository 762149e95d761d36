"""Submissions of a step to a scheduler: JSON lines beside the step's log. No result depends on them."""

import time
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from autoshrink.errors import ArtifactError
from autoshrink.records.record import Count, Number, Record, mismatch, optional

SUFFIX = ".submissions.jsonl"


class Submission(Record):
    """One event: a submission or, where ``cause`` is given, its end without success."""

    time: Number
    """Seconds since 1970."""
    attempt: Count
    """Counted from 1."""
    attempts: Count
    """How many there are at most."""
    job: Annotated[str | None, Field(exclude_if=optional)] = None
    """The scheduler's id; none where it has refused the job."""
    cause: Annotated[str | None, Field(exclude_if=optional)] = None
    """Why it ended, one of SLURM's states ..."""
    words: Annotated[str | None, Field(exclude_if=optional)] = None
    """... and the same for people."""

    @property
    def is_followed(self) -> bool:
        """Whether another attempt comes after its end."""
        return self.attempt < self.attempts

    def in_words(self) -> str:
        """Return its end in words, with what follows."""
        followed = f"attempt {self.attempt + 1} of {self.attempts} follows" if self.is_followed else "the last attempt"
        return f"{self.words or self.cause}; {followed}"


def beside(log: Path) -> Path:
    """Return the file of the step that has this log."""
    return log.with_suffix(SUFFIX)


def append(log: Path, attempt: int, attempts: int, **facts: str | None) -> None:
    """Add an event that happens now to the step's file; the first attempt begins the file anew."""
    entry = Submission(time=round(time.time(), 3), attempt=attempt, attempts=attempts, **facts)
    path = beside(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_first = attempt == 1 and entry.cause is None
    with path.open("w" if is_first else "a", encoding="utf-8") as file:
        file.write(entry.model_dump_json() + "\n")


def last(log: Path) -> Submission | None:
    """Return the step's newest event; None where there is none.

    Raises ArtifactError where it is damaged.
    """
    try:
        lines = beside(log).read_bytes().splitlines()
    except FileNotFoundError:
        return None
    try:
        return Submission.model_validate_json(lines[-1]) if lines else None
    except ValidationError as error:
        raise ArtifactError(f"{beside(log)}: {mismatch('submission', error)}") from None

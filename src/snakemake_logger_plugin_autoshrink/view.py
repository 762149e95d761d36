"""Show all searches of a run: as lines, or as a live view on a terminal."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoshrink import params
from autoshrink.errors import ArtifactError, UserError
from autoshrink.params.base import Task
from autoshrink.records import progress
from autoshrink.records.progress import duration
from autoshrink.search.rounds import SearchName
from autoshrink.workflow import estimate, status
from autoshrink.workflow.status import SearchStatus

if TYPE_CHECKING:
    from snakemake_logger_plugin_autoshrink.handler import Job

# reading the artifacts may take this share of the time, and is done this often at most
READING_SHARE, LEAST_SECONDS = 0.02, 1.0
SHOWN_SEARCHES = 4


class View:
    """The searches that steps belong to, read anew from their artifacts from time to time, and the steps under way."""

    def __init__(self, snapshot: str | None) -> None:
        self.jobs: dict[int, Job] = {}
        self.steps: tuple[int, int] | None = None
        self._snapshot = Path(snapshot) if snapshot else None
        self._parameters = params.load([self._snapshot]) if self._snapshot and self._snapshot.exists() else None
        self._names: dict[tuple[str, str], SearchName] = {}
        self._states: dict[tuple[str, str], SearchStatus] = {}
        self._told: set[tuple[str, str]] = set()
        self._started = time.monotonic()
        self._known: dict[tuple[str, str], status.Known] = {}
        self._epochs: dict[Path, int] = {}
        self._next = 0.0
        self._reading = threading.Lock()
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._ended = False
        self.is_live = self._console.is_terminal and os.environ.get("TERM", "dumb") != "dumb"

    def follow(self, task: str, search: str) -> None:
        """Add a search to those that are shown."""
        if (task, search) not in self._names:
            self._names[task, search] = SearchName.parse(task, search)

    def show(self) -> None:
        """Begin to show the view, where there is a terminal."""
        if self.is_live and self._live is None and not self._ended:
            self._live = Live(
                get_renderable=self._drawn, console=self._console, refresh_per_second=2, transient=True, screen=False
            )
            self._live.start()

    def end(self) -> None:
        """Stop showing it, and leave a line of each search."""
        if self._live:
            self._live.stop()
            self._live = None
            self.read(force=True)
            for state in self._states.values():
                self._console.print(Text(_summary(state)), soft_wrap=True)
        self._ended, self.is_live = True, False

    def say(self, text: str) -> None:
        """Print a text above the view."""
        self._console.print(Text(text), soft_wrap=True)

    def read(self, *, force: bool = False) -> None:
        """Read the searches' artifacts, where that was not done a moment ago."""
        with self._reading:
            before = time.monotonic()
            if self._snapshot is None or self._parameters is None or (before < self._next and not force):
                return
            for key, name in self._names.items():
                try:
                    results = self._snapshot.parent.parent
                    known = self._known.setdefault(key, status.Known())
                    state = status.of(results, self._parameters, Task(key[0]), name, known)
                except (UserError, OSError):
                    continue  # a damaged artifact is the business of the step that reads it
                self._states[key] = state
            now = time.monotonic()
            self._next = now + max(LEAST_SECONDS, (now - before) / READING_SHARE)

    @property
    def left(self) -> str | None:
        """The searching that is left, in words; None where nothing tells it yet."""
        found = [state.left for state in self._states.values()]
        known = [left for left in found if left is not None]
        span = estimate.together(known) if known and len(known) == len(found) else None
        return None if span is None else f"{span.words()} of searching left"

    def round_line(self, task: str, search: str, number: int) -> str | None:
        """Return a finished round in words; None for a round that a search which has ended passes through."""
        self.read(force=True)
        state = self._states.get((task, search))
        if state is None or (task, search) in self._told:
            return None
        if state.stopped:
            self._told.add((task, search))
            return _summary(state)
        return f"{task} {search}: round {number} of at most {state.rounds}" + "".join(
            f"; {part}"
            for part in (
                state.best and f"best so far: {status.best_so_far(state)}",
                self.left,
            )
            if part
        )

    def finals_line(self, task: str, search: str) -> str | None:
        """Return how far a search's finalists are, in words."""
        self.read(force=True)
        state = self._states.get((task, search))
        if state is None:
            return None
        return "; ".join(filter(None, (f"{task} {search}: {status.finals(state)}", self.left)))

    def answer_line(self, task: str, search: str) -> str | None:
        """Return a search's answer in words, where finalists decided it; None where the rounds have told it already."""
        self.read(force=True)
        state = self._states.get((task, search))
        return f"{task} {search}: {state.answer}" if state and state.answer else None

    def _drawn(self) -> Group:
        self.read()
        active = {(job.task, job.search) for job in self.jobs.values()}
        shown = [key for key in self._states if key in active or len(self._states) <= SHOWN_SEARCHES]
        width = self._console.width
        parts = [part for key in shown[:SHOWN_SEARCHES] for part in _search(self._states[key], width)]
        return Group(*parts, *self.rows(), self._foot())

    def rows(self) -> Iterator[Text]:
        """Yield a row per step under way: what it last told of itself."""
        for job in list(self.jobs.values()):
            if not job.is_quick:
                head = f"  {job.name}: "
                said = _last_words(job, self._console.width - len(head))
                yield Text(head + said, no_wrap=True, overflow="ellipsis", style="dim")

    def epochs(self, job: "Job", *, last: bool = False) -> Iterator[str]:
        """Yield a line for each epoch that a step has ended since this was asked before, for logs.

        ``last`` says that the step has ended, so that nothing is said of it again.
        """
        if job.progress is None:
            return
        try:
            events = progress.read(job.progress)
        except (OSError, ArtifactError):
            return
        ended = [event for event in events if event.event in ("resumed", "epoch") and event.time >= job.since - 1]
        told = self._epochs.get(job.progress, 0)
        for event in ended[told:]:
            yield f"{job.name}: {event.words()}"
        self._epochs[job.progress] = 0 if last else max(told, len(ended))

    def _foot(self) -> Text:
        parts = [f"{self.steps[0]} of {self.steps[1]} steps"] if self.steps else []
        parts.append(f"{duration(time.monotonic() - self._started)} gone")
        if self.left:
            parts.append(self.left)
        return Text(", ".join(parts))


def _search(state: SearchStatus, width: int) -> Iterator[Table | Text]:
    """Yield a search's two rows: how far it is, and the best so far."""
    if state.stopped or state.round == state.rounds:
        done, where = state.most, f"{state.round} rounds, {state.candidates} candidates"
        if state.repeats and not state.answer:
            where += f"; {status.finals(state)}"
    else:
        done = state.candidates + state.trained
        where = f"round {state.round + 1} of at most {state.rounds}, {state.trained} of {state.slots} candidates done"
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(total=max(state.most, 1), completed=done, width=12)
    table.add_row(Text(f"{state.task} {state.search}", style="bold"), bar, where)
    yield table
    if state.answer:
        yield Text(f"  {state.answer}")
    elif state.best:
        yield Text(progress.fitting(["  best so far"], status.numbers(state.best).split(", "), width))


def _summary(state: SearchStatus) -> str:
    """Return a search in one line."""
    head = f"{state.task} {state.search}: {state.candidates} candidates in {state.round} rounds"
    if state.stopped:
        head += f", ended ({state.stopped})"
    if state.answer:
        return f"{head}; {state.answer}"
    return f"{head}; best: {status.best_so_far(state)}" if state.best else head


def _last_words(job: "Job", width: int) -> str:
    try:
        if job.log is None or job.log.stat().st_mtime < job.since - 1:
            return "waiting"
        events = progress.read(job.progress) if job.progress else []
        return events[-1].words(width=width) if events else status.last_line(job.log)
    except (OSError, ArtifactError):
        return "waiting"

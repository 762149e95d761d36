"""Handle Snakemake's log events.

On a terminal a view of all searches is kept up to date (``view``); in a log stand a line per finished round and per
longer step. A failed step shows its log's last lines. Dry runs, and runs with ``--verbose``, have Snakemake's own
output.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from snakemake_logger_plugin_autoshrink.view import View

# steps that take no time: their news are those of the round that they begin and end
QUICK = {"all", "start", "propose", "select", "finalists", "best", "study"}
# of these, what counts is said when their round is over
ROUND = {"evaluate", "repeat"}
LAST_LINES = 10
# how often a log is given the epochs that have ended
POLL_SECONDS = 2.0
PROGRESS = ".progress.jsonl"
# seconds by which the clocks of two machines may differ
CLOCK_SKEW = 30
# what Snakemake says when SIGTERM has reached it
TOLD_TO_END = "Will exit after finishing currently running jobs"
INTERRUPTED = "Interrupted; nothing finished is lost, and the same command goes on from here."
ENDING = "Told to end: the steps under way are let finish, and the same command goes on from here."
# what Snakemake says before it knows what is to be done, and nobody asks
PREAMBLE = (
    "Config file ",
    "Assuming unrestricted ",
    "Building DAG ",
    "Using shell: ",
    "Provided ",
    "Rules claiming ",
    "Group jobs: ",
    "Conda environments: ",
    "Singularity containers: ",
)


Facts = Mapping[str, Any]
"""The attributes of a log record: Snakemake's own schema, which differs from event to event."""


@dataclass(frozen=True)
class Job:
    """A step that runs or waits in a queue."""

    rule: str
    message: str
    log: Path | None
    progress: Path | None
    task: str | None
    search: str | None
    round: int | None
    network: str | None = None
    """Which network of the verdict it trains or tests."""
    since: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """Its name for people, in a few words."""
        if not self.search:
            return self.message
        step = self.rule.removesuffix("_reference")
        return " ".join(filter(None, (self.task, self.search, step, self.network)))

    @property
    def is_quick(self) -> bool:
        """Whether it takes no time worth telling."""
        return self.rule in QUICK

    @classmethod
    def of(cls, facts: Facts) -> "Job":
        """Return the step that Snakemake announces."""
        wildcards = dict(facts.get("wildcards") or {})
        log, progress = _logs(facts)
        number = wildcards.get("round")
        return cls(
            facts["rule_name"],
            facts.get("rule_msg") or facts["rule_name"],
            log,
            progress,
            wildcards.get("task"),
            wildcards.get("search"),
            int(number) if number else None,
            wildcards.get("network"),
        )


def _is_progress(name: str) -> bool:
    return name.endswith(PROGRESS)


def _logs(facts: Facts) -> tuple[Path | None, Path | None]:
    """Return a step's log and its progress file, where it has them."""
    found = {_is_progress(str(name)): Path(name) for name in facts.get("log") or []}
    return found.get(False), found.get(True)


class LogHandler(LogHandlerBase):
    """Says what matters of Snakemake's events on stderr."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._own: logging.Handler | None = None
        self._view: View | None = None
        self._jobs: dict[int, Job] = {}
        self._failures: dict[int, int] = {}
        self._planned = False
        self._started = time.monotonic()
        self._ending = False
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._interrupted)
        if self.common_settings.dryrun or self.common_settings.verbose:
            from snakemake.logging import ColorizingTextHandler

            stream = sys.stdout if self.common_settings.stdout else sys.stderr
            self._own = ColorizingTextHandler(nocolor=self.common_settings.nocolor, stream=stream)

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Say what a record means, where that matters."""
        if self._ending:
            return  # what becomes of steps that were told to end is no news
        if self._own:
            self._own.setFormatter(self.formatter)
            self._own.emit(record)
            return
        try:
            with self._lock:
                self._emit(record, record.__dict__)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """End the view, and the watch over epochs."""
        self._ended.set()
        if self._view:
            self._view.end()
        super().close()

    def _interrupted(self, number: int, frame: object) -> None:
        """Answer Ctrl-C in one line and let Snakemake end its steps; a second Ctrl-C ends all at once."""
        if self._ending:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.getpgrp() == os.getpid():  # a shell has given this run a group of its own
                os.killpg(os.getpid(), signal.SIGTERM)
            os._exit(128 + number)
        self._end_with(INTERRUPTED)
        raise KeyboardInterrupt

    def _end_with(self, text: str) -> None:
        """Say the last that is said of this run."""
        self.close_view()
        self._say(text)
        self._ending = True

    def _emit(self, record: logging.LogRecord, facts: Facts) -> None:
        match facts.get("event"):
            case LogEvent.RUN_INFO:
                self._planned = True
                self._say(str(record.msg).strip())
            case LogEvent.JOB_INFO:
                self._begin(facts["jobid"], Job.of(facts))
            case LogEvent.JOB_FINISHED:
                self._finish(facts["job_id"])
            case LogEvent.PROGRESS:
                self._seen().steps = (facts["done"], facts["total"])
            case LogEvent.JOB_ERROR | LogEvent.GROUP_ERROR:
                self._failed(facts)
            case LogEvent.ERROR if facts.get("exception") == "CalledProcessError":
                pass  # a step's command: its log has said why
            case _ if str(record.msg).startswith(TOLD_TO_END):
                self._end_with(ENDING)
            case _ if record.levelno >= logging.WARNING:
                self._say(self.format(record))
            case None if facts.get("farewell"):
                self.close_view()
                self._say(self.format(record))
            case None if not self._planned and not str(record.msg).startswith(PREAMBLE):
                self._say(self.format(record))
            case _:
                pass  # Snakemake's own business; .snakemake/log has all of it

    def close_view(self) -> None:
        """End the live view, leaving where each search stands."""
        if self._view:
            self._view.end()

    def _begin(self, number: int, job: Job) -> None:
        view = self._seen()
        self._jobs[number] = view.jobs[number] = job
        if job.task and job.search:
            view.follow(job.task, job.search)
        if not view.is_live and not job.is_quick and job.rule not in ROUND:
            self._say(self._clock() + job.message)
        view.show()
        if not view.is_live and self._watch is None:
            self._watch = threading.Thread(target=self._follow, name="epochs", daemon=True)
            self._watch.start()

    def _finish(self, number: int) -> None:
        view = self._seen()
        view.jobs.pop(number, None)
        job = self._jobs.get(number)
        if job:
            self._say_epochs(job, last=True)
        if view.is_live or job is None or not job.task or not job.search:
            return
        line = None
        if job.rule == "select" and job.round is not None:
            line = view.round_line(job.task, job.search, job.round)
        elif job.rule == "repeat":
            line = view.finals_line(job.task, job.search)
        elif job.rule == "best":
            line = view.answer_line(job.task, job.search)
        if line:
            self._say(self._clock() + line)

    def _follow(self) -> None:
        """Say a line per epoch of the long steps, for as long as there is no live view."""
        while not self._ended.wait(POLL_SECONDS):
            with self._lock:
                for job in list(self._seen().jobs.values()):
                    self._say_epochs(job)

    def _say_epochs(self, job: Job, *, last: bool = False) -> None:
        view = self._seen()
        if not view.is_live and not self._ending and not job.is_quick and job.rule not in ROUND:
            for line in view.epochs(job, last=last):
                self._say(self._clock() + line)

    def _failed(self, facts: Facts) -> None:
        number = facts.get("jobid")
        job = self._jobs.get(number) if isinstance(number, int) else None
        if job:
            self._say_epochs(job, last=True)
        if isinstance(number, int):
            self._seen().jobs.pop(number, None)
        about = {**facts, **(facts.get("aux") or {})}
        scheduler, submitted = about.get("scheduler"), "external_jobid" in about
        attempt, followed = self._attempt(number) if isinstance(number, int) else ("", "")
        self._say(f"FAILED{attempt}: {job.message if job else self.format(logging.makeLogRecord(facts))}")
        if scheduler:
            self._say(f"  {scheduler}")
        # what a scheduler has refused has written no log: one that is there is an earlier attempt's
        if submitted or not scheduler:
            for name in facts.get("log") or []:
                if name and not _is_progress(str(name)):
                    self._say_end(Path(name), job, submitted=submitted)
        if followed:
            self._say(f"  {followed}")

    def _attempt(self, number: int) -> tuple[str, str]:
        """Return which attempt at a job has failed, and what follows; nothing where there is one attempt alone."""
        self._failures[number] = failed = self._failures.get(number, 0) + 1
        attempts = int(os.environ.get("AUTOSHRINK_ATTEMPTS", "1"))
        if attempts == 1:
            return "", ""
        followed = f"attempt {failed + 1} follows" if failed < attempts else "no attempt is left"
        return f" (attempt {failed} of {attempts})", followed

    def _say_end(self, log: Path, job: Job | None, *, submitted: bool) -> None:
        """Say the last lines of a log, unless it is an earlier attempt's."""
        try:
            if job and log.stat().st_mtime < job.since - CLOCK_SKEW:
                return
            lines = log.read_text(errors="replace").splitlines()
        except OSError:
            return  # it has said nothing, or another machine's disk is slow to show it
        if len(lines) == 1 and not submitted:
            return  # a user's mistake: on this machine the step has said its last line aloud already
        self._say(f"  the end of {log}:" if lines else f"  {log} is empty")
        for line in lines[-LAST_LINES:]:
            self._say(f"    {line}")

    def _seen(self) -> "View":
        if self._view is None:
            from snakemake_logger_plugin_autoshrink.view import View

            self._view = View(os.environ.get("AUTOSHRINK_PARAMS"))
        return self._view

    def _clock(self) -> str:
        return f"[{time.monotonic() - self._started:6.0f} s] "

    def _say(self, text: str) -> None:
        if not text:
            return
        if self._view and self._view.is_live:
            self._view.say(text)
        else:
            print(text, file=sys.stderr, flush=True)

"""`executor: autoshrink-slurm`: Snakemake's SLURM executor, with a polling of its own.

Snakemake finds this package by its name. Submission is snakemake-executor-plugin-slurm's; its settings have the same
names after `--autoshrink-slurm-`. What differs:

- where SLURM does not answer, jobs are kept and asked for again, however long that takes;
- a job that failed is told with SLURM's state, and the cause decides what the next attempt asks for;
- requests that the cluster can never grant are told before the first job, reasons to wait for ever once;
- a job is asked for at a constant interval, and one that SLURM has forgotten is submitted again;
- evaluations of rounds that have nothing to train, after a search's end, run where Snakemake runs;
- `no-account` keeps the plugin from looking for an account.
"""

import asyncio
import contextlib
import re
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_executor_plugin_slurm import ExecutorSettings as SlurmSettings
from snakemake_executor_plugin_slurm import common_settings
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor

from autoshrink.errors import ArtifactError
from autoshrink.records import submission
from autoshrink.records.proposal import Proposal
from autoshrink.runtime import slurm
from autoshrink.workflow import attempts

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

REFUSED = "REFUSED"
FORGOTTEN_AFTER = 120.0
"""Seconds for which SLURM must not have known a job before it counts as lost."""


@dataclass
class ExecutorSettings(SlurmSettings):  # type: ignore[misc]
    """The settings of Snakemake's SLURM executor."""


class Executor(SlurmExecutor):  # type: ignore[misc]
    """Submits as Snakemake's SLURM executor does, and watches what becomes of the jobs."""

    def __post_init__(self, test_mode: bool = False) -> None:
        """Prepare the executor, and compare the run's requests with what the cluster allows. Raises WorkflowError."""
        super().__post_init__(test_mode)
        self._is_here = threading.local()
        self._unreachable: float | None = None
        self._unknown: dict[str, float] = {}
        self._requeued: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        if not test_mode:
            self._compare_with_partitions()

    def run_job(self, job: Any) -> None:
        """Submit a job, or run it here where it has nothing to train."""
        if _is_idle(job):
            self.report_job_submission(SubmittedJobInfo(job), is_submitted=False)
            self._job_submission_executor.submit(self._run_here, job)
        else:
            super().run_job(job)

    def _run_here(self, job: Any) -> None:
        """Run a job as a process of this machine and report how it ended."""
        self._is_here.value = True
        done = subprocess.run(self.format_job_exec(job), shell=True, capture_output=True, text=True)
        self._is_here.value = False
        if done.returncode == 0:
            self.report_job_success(SubmittedJobInfo(job))
        else:
            self.report_job_error(SubmittedJobInfo(job), msg=done.stderr.strip()[-2000:], cause="FAILED")

    def additional_general_args(self) -> str:
        """Return how the Snakemake of a job runs it: as a step of SLURM's, or plainly."""
        return "" if getattr(self._is_here, "value", False) else str(super().additional_general_args())

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """Yield sbatch's option for the account: none where none is wanted and none is given."""
        if self.workflow.executor_settings.no_account and not job.resources.get("slurm_account"):
            yield ""
        else:
            yield from super().get_account_arg(job)

    def report_job_submission(self, job_info: Any, register_job: bool = True, *, is_submitted: bool = True) -> None:
        """Keep the job's id beside its log; a job that runs here is not asked for."""
        if is_submitted:
            super().report_job_submission(job_info, register_job=register_job)
            _keep(job_info, job=job_info.external_jobid)
        else:
            RealExecutor.report_job_submission(self, job_info, register_job=register_job)

    def report_job_error(self, job_info: Any, msg: str | None = None, **kwargs: Any) -> None:
        """Keep why an attempt failed, for what the next one asks for, and tell it."""
        cause, words = kwargs.pop("cause", REFUSED), _refusal(msg or "")
        for job in _members(job_info.job):
            attempts.remember(job.rule.name, job.wildcards_dict, cause)
        _keep(job_info, job=job_info.external_jobid, cause=cause, words=words)
        super().report_job_error(job_info, msg=f"{words}. ", scheduler=words, **kwargs)

    async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncGenerator[Any, None]:
        """Report jobs that have ended, and yield the others."""
        if not active_jobs:
            return
        async with self.status_rate_limiter:
            states = await asyncio.to_thread(slurm.jobs, f"--name={self.run_uuid}")
        self._say_whether_reachable(states is not None, len(active_jobs))
        if states is None:
            for job_info in active_jobs:
                yield job_info
            return
        if missing := [info.external_jobid for info in active_jobs if info.external_jobid not in states]:
            states |= await asyncio.to_thread(slurm.accounted, missing)
        for job_info in active_jobs:
            if not self._has_ended(job_info, states.get(job_info.external_jobid)):
                yield job_info

    def _has_ended(self, job_info: Any, found: slurm.JobState | None) -> bool:
        """Report a job if it has ended, and return whether it has."""
        number = job_info.external_jobid
        if found is None:
            since = self._unknown.setdefault(number, time.monotonic())
            if time.monotonic() - since < FORGOTTEN_AFTER:
                return False
        elif found.state in slurm.LIVE:
            self._unknown.pop(number, None)
            self._requeued.discard(number)
            self._say_why_it_waits(job_info, found)
            return False
        elif found.state == "COMPLETED":
            self._forget_log(job_info)
            self.report_job_success(job_info)
            return True
        elif found.state in slurm.REQUEUED and number not in self._requeued:
            self._requeued.add(number)  # at the next look it waits again, or it has ended
            return False
        log = job_info.aux.get("slurm_logfile")
        cause, words = slurm.ended(number, found, _text(log))
        if cause in slurm.REQUEUED or found is None:
            slurm.cancel(number)  # the next attempt must be the only one
        self.report_job_error(job_info, msg=words, cause=cause, aux_logs=[str(log)] if log else [])
        return True

    def _say_whether_reachable(self, answered: bool, waiting: int) -> None:
        if not answered and self._unreachable is None:
            self._unreachable = time.monotonic()
            self.logger.warning(f"SLURM does not answer; {waiting} jobs go on without it and are asked for again.")
        elif answered and self._unreachable is not None:
            seconds = time.monotonic() - self._unreachable
            self.logger.warning(f"SLURM answers again after {seconds:.0f} s.")
            self._unreachable = None

    def _say_why_it_waits(self, job_info: Any, found: slurm.JobState) -> None:
        reason = slurm.waits(found)
        if reason and (job_info.external_jobid, reason) not in self._told:
            self._told.add((job_info.external_jobid, reason))
            self.logger.warning(f"{job_info.job.name}: SLURM job {job_info.external_jobid} waits for ever: {reason}")

    def _forget_log(self, job_info: Any) -> None:
        log = job_info.aux.get("slurm_logfile")
        if log and not self.workflow.executor_settings.keep_successful_logs:
            with contextlib.suppress(OSError):
                Path(log).unlink(missing_ok=True)

    def _compare_with_partitions(self) -> None:
        """Raise WorkflowError where a job asks for what its partition never grants; keep the limits for retries."""
        partitions = slurm.partitions()
        if partitions is None:
            self.logger.warning("SLURM does not answer: requests are not compared with what partitions allow.")
            return
        mistakes: dict[str, None] = {}
        for job in self.dag.needrun_jobs():
            group = self.dag.get_job_group(job)
            key = ("", group.groupid) if group else (job.rule.name, job.wildcards_dict.get("task", ""))
            if job.is_local or key in self._told:
                continue
            self._told.add(key)
            asked = group or job
            name = asked.resources.get("slurm_partition")
            wanted = re.split(r"[,\s]+", str(name)) if name else [p.name for p in partitions.values() if p.is_default]
            if absent := [each for each in wanted if each not in partitions]:
                known = ", ".join(partitions)
                mistakes[f"partition {', '.join(absent)}: SLURM has none of that name; it has {known}"] = None
                continue
            allowed = [partitions[each] for each in wanted]
            if allowed and not asked.resources.get("slurm_cluster"):
                mistakes |= dict.fromkeys(self._beyond(asked, allowed))
        if mistakes:
            raise WorkflowError("\n".join(mistakes))

    def _beyond(self, asked: Any, allowed: list[slurm.Partition]) -> Iterator[str]:
        """Yield what a job asks for that none of these partitions grants."""
        where = " or ".join(each.name for each in allowed)
        times = [each.minutes for each in allowed]
        minutes = None if None in times else max(time for time in times if time is not None)
        memory, cpus = max(each.mem_mb for each in allowed), max(each.cpus for each in allowed)
        for job in _members(asked):
            own, whole = job.resources.get("runtime"), asked.resources.get("runtime")
            is_part = minutes is not None and isinstance(own, int) and isinstance(whole, int)
            # a group's time is the sum of its jobs': each may grow as far as all of them may
            granted = attempts.Limits(own * max(1, minutes // whole) if is_part else minutes, memory)
            attempts.limit(job.rule.name, job.wildcards_dict, granted)
        for name, unit, number, most in (
            ("runtime", "minutes", asked.resources.get("runtime"), minutes),
            ("mem_mb", "MB on a node", asked.resources.get("mem_mb"), memory),
            ("threads", "CPUs on a node", asked.threads, cpus),
        ):
            if isinstance(number, int) and most is not None and number > most:
                yield f"{_name(asked)} asks for {number} {unit}, partition {where} grants {most} at most: " + (
                    "set search.job to round" if asked.is_group() else _option(asked.rule.name, name, most)
                )


def _name(job: Any) -> str:
    return f"a whole search ({job.groupid})" if job.is_group() else str(job.rule.name)


def _option(rule: str, name: str, most: int) -> str:
    """Return the option by which a rule's jobs ask for as much as there is."""
    if name == "threads":
        return f"--set-threads {rule}={most}"
    more = "; a training goes on in the next attempt: --retries 30" if name == "runtime" else ""
    return f"--set-resources {rule}:{name}={most}{more}"


def _is_idle(job: Any) -> bool:
    """Return whether a job evaluates candidates of a round that has none for it: its search has ended."""
    if job.is_group() or not job.input.get("proposal") or not isinstance(job.params.get("slots"), str):
        return False
    first = int(job.params["slots"].partition(":")[0])
    try:
        return len(Proposal.read(Path(str(job.input["proposal"]))).candidates) <= first
    except ArtifactError:
        return False  # the job says what is wrong


def _members(job: Any) -> list[Any]:
    """Return the jobs of a group, or the job itself."""
    return list(job.jobs) if job.is_group() else [job]


def _keep(job_info: Any, **facts: str | None) -> None:
    """Write an event of a submission beside the log of each step."""
    for job in _members(job_info.job):
        for log in (Path(str(name)) for name in job.log if str(name).endswith(".log")):
            with contextlib.suppress(OSError):  # no result depends on it
                submission.append(log, job.attempt, job.restart_times + 1, **facts)


def _refusal(message: str) -> str:
    """Return a message; of a submission that failed sbatch's own words, without the call, which is a page long."""
    found = re.search(r"The error message was '(.*?)'\.?$", message, re.DOTALL | re.MULTILINE)
    if found is None:
        return message.strip()
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in found[1].splitlines()]
    return "sbatch refused the job: " + "; ".join(line for line in lines if line)


def _text(log: Any) -> str:
    """Return what SLURM has written of a job."""
    try:
        return Path(log).read_text(errors="replace") if log else ""
    except OSError:
        return ""

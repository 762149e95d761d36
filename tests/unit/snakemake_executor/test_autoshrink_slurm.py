"""What becomes of SLURM's jobs, by what SLURM says of them. No SLURM is asked."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from autoshrink.params.base import Task
from autoshrink.records import submission
from autoshrink.records.proposal import Proposal
from autoshrink.runtime import slurm
from autoshrink.runtime.slurm import JobState
from autoshrink.search import rounds
from autoshrink.workflow import attempts
from snakemake_executor_plugin_autoshrink_slurm import Executor, _is_idle, _refusal
from tests.unit.search.search_runs import evaluation, parameters, run

Ends = list[tuple[str, str | None]]


def job(log: Path | None = None, **resources: Any) -> Any:
    """Return a job as Snakemake has them."""
    return SimpleNamespace(
        name="evaluate", rule=SimpleNamespace(name="evaluate"), wildcards_dict={"job": str(log)}, log=[str(log)],
        attempt=1, restart_times=3, resources=resources, is_group=lambda: False, log_error=lambda *_, **__: None,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def unlimited() -> AsyncIterator[None]:
    """Stand in for the limit on the rate of queries."""
    yield


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An executor of two jobs, 1 and 2, that notes in ``ends`` how they ended, and SLURM's answers in ``answers``."""
    made: Any = Executor.__new__(Executor)
    made.ends, made.answers = [], []
    scheduler = SimpleNamespace(
        finish_callback=lambda job: made.ends.append(("done", None)), error_callback=lambda job: None
    )
    settings = SimpleNamespace(keep_successful_logs=False, no_account=True)
    made.workflow = SimpleNamespace(scheduler=scheduler, executor_settings=settings)
    made.logger, made.run_uuid, made.status_rate_limiter = logging.getLogger("test"), "run", unlimited()
    made._unreachable, made._unknown, made._requeued, made._told = None, {}, set(), set()
    monkeypatch.setattr(attempts, "remember", lambda rule, wildcards, cause: made.ends.append(("failed", cause)))
    monkeypatch.setattr(slurm, "jobs", lambda *options: made.answers.pop(0))
    monkeypatch.setattr(slurm, "accounted", lambda ids: {})
    monkeypatch.setattr(slurm, "cancel", lambda number: made.ends.append(("cancelled", number)))
    return made


def looks(executor: Any, *answers: dict[str, JobState] | None, log: Path | None = None) -> tuple[list[str], Ends]:
    """Return the ids of the jobs that are left after these answers, and how the others ended."""
    left = [SimpleNamespace(job=job(log), external_jobid=number, aux={}) for number in ("1", "2")]
    executor.answers = list(answers)

    async def look(jobs: list[Any]) -> list[Any]:
        executor.status_rate_limiter = unlimited()
        return [info async for info in executor.check_active_jobs(jobs)]

    for _ in answers:
        left = asyncio.run(look(left))
    return [info.external_jobid for info in left], executor.ends


RUNNING = JobState("RUNNING")


def test_snakemake_finds_it() -> None:
    """The package is an executor plugin by Snakemake's rules."""
    assert "autoshrink-slurm" in ExecutorPluginRegistry().get_registered_plugins()


def test_no_job_is_lost_while_slurm_is_away(executor: Any, caplog: pytest.LogCaptureFixture) -> None:
    """However often it does not answer; afterwards the jobs are as they have become. It is said once."""
    left, ends = looks(executor, *[None] * 50, {"1": JobState("COMPLETED"), "2": RUNNING})
    assert (left, ends) == (["2"], [("done", None)])
    assert [record.getMessage()[:20] for record in caplog.records] == ["SLURM does not answe", "SLURM answers again "]


def test_causes_are_handed_on(executor: Any, tmp_path: Path) -> None:
    """To the next attempt's requests, and to a file beside the log."""
    left, ends = looks(executor, {"1": JobState("TIMEOUT", limit="1:00"), "2": RUNNING}, log=tmp_path / "step.log")
    assert (left, ends) == (["2"], [("failed", "TIMEOUT")])
    found = submission.last(tmp_path / "step.log")
    assert found is not None
    assert found.in_words() == "SLURM job 1: TIMEOUT, it reached its time limit of 1:00; attempt 2 of 4 follows"


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL"])
def test_what_slurm_puts_back_into_its_queue_is_not_submitted_again(state: str, executor: Any) -> None:
    """And what it does not put back is, once nothing of it can run any more."""
    ended, again = JobState(state), JobState("PENDING")
    assert looks(executor, {"1": ended, "2": RUNNING}, {"1": again, "2": RUNNING}) == (["1", "2"], [])
    left, ends = looks(executor, {"1": ended, "2": RUNNING}, {"1": ended, "2": RUNNING})
    assert (left, ends) == (["2"], [("cancelled", "1"), ("failed", state)])


def test_a_forgotten_job_is_submitted_again(executor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once: a job may be a moment late in the queue."""
    assert looks(executor, {"2": RUNNING}, {"2": RUNNING}) == (["1", "2"], [])
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1000)
    assert looks(executor, {"2": RUNNING}) == (["2"], [("cancelled", "1"), ("failed", "UNKNOWN")])


def test_a_job_that_waits_for_ever_is_told_once(executor: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With SLURM's reason."""
    waits = {"1": JobState("PENDING", "PartitionTimeLimit"), "2": JobState("PENDING", "Priority")}
    looks(executor, waits, waits, waits)
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("evaluate: SLURM job 1 waits for ever: PartitionTimeLimit: it asks for more time")


def test_no_account_asks_for_none(executor: Any) -> None:
    """`--autoshrink-slurm-no-account` gives sbatch none and looks for none; one that is given is used."""
    assert list(executor.get_account_arg(job())) == [""]
    executor.workflow.executor_settings.no_account = False
    executor._fallback_account_arg = " -A looked-for"
    assert list(executor.get_account_arg(job())) == [" -A looked-for"]


def test_sbatch_s_words_without_its_call() -> None:
    """The call is a page long."""
    message = (
        "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: x\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified'.\n    sbatch call:\n  sbatch --x"
    )
    assert _refusal(message) == (
        "sbatch refused the job: invalid partition specified: x; "
        "Batch job submission failed: Invalid partition name specified"
    )


def test_rounds_after_a_search_s_end_are_not_submitted(tmp_path: Path) -> None:
    """An evaluation whose slots have no candidate has nothing to train; a group, or another step, is submitted."""
    chosen = parameters({})
    name = rounds.SearchName(Task.CNN, "shrink", 0)
    run(chosen, name, tmp_path, lambda cell: evaluation(cell.key, accuracy=0.5, macs=1e6))
    proposals = sorted(tmp_path.glob("round-*/proposal.json"))
    counts = {file: len(Proposal.read(file).candidates) for file in proposals}
    assert 0 in counts.values() and any(counts.values())
    for file, count in counts.items():
        evaluating = SimpleNamespace(is_group=lambda: False, input={"proposal": file}, params={"slots": "0:4"})
        assert _is_idle(evaluating) == (count == 0)
        evaluating.params["slots"] = f"{max(count, 1)}:9"
        assert _is_idle(evaluating)
        evaluating.is_group = lambda: True
        assert not _is_idle(evaluating)
    assert not _is_idle(SimpleNamespace(is_group=lambda: False, input={}, params={}))

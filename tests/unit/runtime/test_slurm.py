"""What SLURM's commands print, read."""

import pytest

from autoshrink.runtime import slurm
from autoshrink.runtime.slurm import JobState, Partition

SQUEUE = """\
11|PENDING|PartitionTimeLimit|0:00|2-00:00:00|4500M|
12|TIMEOUT|TimeLimit|1:14|1:00|700M|n1
13_2|FAILED|NonZeroExitCode|0:03|10:00|1G|n[1-2]
14|PENDING|Resources|0:00|10:00|1G|
15|CANCELLED by 1000|None|0:03|10:00|1G|(null)
"""
SINFO = """\
main*|infinite|15000|16
main*|infinite|30000+|32
short|2:00:00|15000|16
long|2-12:00:00|15000|16
"""


def test_jobs_are_read() -> None:
    """States, reasons and limits by job id; sacct's words after a state are left out."""
    found = slurm.parse_jobs(SQUEUE)
    assert found["12"] == JobState("TIMEOUT", "TimeLimit", "1:14", "1:00", "700M", "n1")
    assert found["15"].state == "CANCELLED" and found["15"].nodes == ""
    assert {number: state.state in slurm.LIVE for number, state in found.items()} == {
        "11": True, "12": False, "13_2": False, "14": True, "15": False,
    }  # fmt: skip


def test_partitions_are_read() -> None:
    """A partition of several kinds of nodes offers its largest; no limit of time is None."""
    assert slurm.parse_partitions(SINFO) == {
        "main": Partition("main", True, None, 30000, 32),
        "short": Partition("short", False, 120, 15000, 16),
        "long": Partition("long", False, 3600, 15000, 16),
    }


@pytest.mark.parametrize(
    ("limit", "minutes"), [("30:00", 30), ("1:00:00", 60), ("1-01:02:59", 1502), ("infinite", None), ("n/a", None)]
)
def test_time_limits(limit: str, minutes: int | None) -> None:
    """SLURM's ways of writing a limit."""
    assert slurm.minutes(limit) == minutes


@pytest.mark.parametrize(
    ("number", "log", "cause", "words"),
    [
        ("12", "", "TIMEOUT", "SLURM job 12: TIMEOUT, it reached its time limit of 1:00; it ran for 1:14 on n1"),
        ("13_2", "", "FAILED", "SLURM job 13_2: FAILED; it ran for 0:03 on n[1-2]"),
        (
            "13_2",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=13.0.",
            "OUT_OF_MEMORY",
            "SLURM job 13_2: OUT_OF_MEMORY, it took more than the 1G it had asked for; it ran for 0:03 on n[1-2]",
        ),
        ("13_2", "torch.OutOfMemoryError: CUDA out of memory", "FAILED", "SLURM job 13_2: FAILED"),
        ("15", "", "CANCELLED", "SLURM job 15: CANCELLED; it ran for 0:03"),
        ("99", "", "UNKNOWN", "SLURM no longer knows job 99"),
    ],
)
def test_how_a_job_ended(number: str, log: str, cause: str, words: str) -> None:
    """The state in words; a step that was killed for memory is known by its log, a full GPU lacks no memory."""
    found = slurm.ended(number, slurm.parse_jobs(SQUEUE).get(number), log)
    assert found[0] == cause
    assert found[1].startswith(words)


def test_who_waits_for_ever() -> None:
    """A job that only waits its turn is none of them."""
    found = {number: slurm.waits(state) for number, state in slurm.parse_jobs(SQUEUE).items()}
    assert (found.pop("11") or "").startswith("PartitionTimeLimit: it asks for more time")
    assert set(found.values()) == {None}


def test_a_silent_slurm_is_no_empty_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Where squeue fails, or is not there, nothing is known of any job."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm.jobs("--name=x") is None
    assert slurm.partitions() is None
    assert slurm.accounted(["1"]) == {}

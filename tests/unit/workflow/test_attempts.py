"""What a retry asks for, by how the attempts before it ended."""

import pytest

from autoshrink.workflow import attempts
from autoshrink.workflow.attempts import UNLIMITED, UNTOLD, Limits

FIRST = {"runtime": 60, "mem_mb": 4500, "gpu": 1}


def grown(*ended: str, limits: Limits = UNLIMITED) -> tuple[int, int]:
    """Return minutes and memory after attempts that ended so."""
    found = attempts.grown(FIRST, ended, limits, 1440)
    assert found["gpu"] == 1
    return found["runtime"], found["mem_mb"]


def test_thirty_retries_are_safe() -> None:
    """After thirty time limits the memory is what it was; after thirty lacks of memory it is what a node has."""
    assert grown(*["TIMEOUT"] * 30) == (1440, 4500)
    assert grown(*["TIMEOUT"] * 30, limits=Limits(240, 10800)) == (240, 4500)
    assert grown(*["OUT_OF_MEMORY"] * 30, limits=Limits(None, 10800)) == (60, 10800)
    assert grown("OUT_OF_MEMORY", limits=Limits(None, 10800)) == (60, 9000)


@pytest.mark.parametrize("cause", ["CANCELLED", "FAILED", "NODE_FAIL", "PREEMPTED", "REFUSED", "UNKNOWN"])
def test_other_ends_change_nothing(cause: str) -> None:
    """More of anything mends none of them."""
    assert grown(*[cause] * 30) == (60, 4500)


def test_an_unknown_cause_grows_both_but_not_without_end() -> None:
    """An executor that does not say why gets more of both, at most four times as much."""
    assert grown(UNTOLD) == (120, 9000)
    assert grown(*[UNTOLD] * 30) == (240, 18000)


def test_a_request_beyond_the_limits_stands() -> None:
    """What was asked for first is not silently cut: whoever refuses it says so."""
    assert grown("TIMEOUT", "OUT_OF_MEMORY", limits=Limits(30, 4000)) == (60, 4500)


def test_causes_are_kept_by_rule_and_wildcards() -> None:
    """A job's ends count for that job alone; those that nobody has told are told as such."""
    attempts.remember("evaluate", {"task": "cnn", "job": "0"}, "TIMEOUT")
    assert attempts.causes("evaluate", {"job": "0", "task": "cnn"}, 1) == []
    assert attempts.causes("evaluate", {"job": "0", "task": "cnn"}, 3) == ["TIMEOUT", UNTOLD]
    assert attempts.causes("evaluate", {"job": "1", "task": "cnn"}, 2) == [UNTOLD]


def test_one_tasks_limits_are_not_anothers() -> None:
    """A rule's jobs for two tasks may be parts of submissions of different lengths."""
    for task, minutes in (("cnn", 100), ("rnn", 600)):
        attempts.limit("grown", {"task": task, "search": "shrink-0"}, attempts.Limits(minutes, 8000))
    assert attempts.limits("grown", {"task": "cnn"}).minutes == 100
    assert attempts.limits("grown", {"task": "rnn"}).minutes == 600
    assert attempts.limits("grown", {"task": "tabular"}) == attempts.UNLIMITED

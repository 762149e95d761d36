"""Attempts at a job: how earlier ones ended, and what the next one therefore asks for.

An executor that knows why a job ended says so by ``remember``; the rules' resource functions, which run in the same
process, ask ``causes``. Memory grows after a job ran out of memory, time after it ran out of time, and nothing after
anything else: more memory mends no time limit, and neither mends a node that died.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoshrink.runtime.slurm import OUT_OF_MEMORY, TIMEOUT

UNTOLD = "UNTOLD"
"""The cause where an executor does not say why a job ended."""
MOST_UNTOLD = 4
"""Without a word of the cause and of the nodes, a job asks for this many times its first request at most."""

JobKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Limits:
    """What a job may ask for where it runs: minutes and the largest node's memory; None where that is not known."""

    minutes: int | None = None
    mem_mb: int | None = None


UNLIMITED = Limits()
_causes: dict[JobKey, list[str]] = defaultdict(list)
_limits: dict[tuple[str, str], Limits] = {}


def remember(rule: str, wildcards: Mapping[str, str], cause: str) -> None:
    """Keep why an attempt at a rule's job has ended: a state of SLURM's."""
    _causes[_key(rule, wildcards)].append(cause)


def limit(rule: str, wildcards: Mapping[str, str], limits: Limits) -> None:
    """Keep what a rule's jobs may ask for at most; one task's say nothing of another's."""
    _limits[rule, wildcards.get("task", "")] = limits


def limits(rule: str | None, wildcards: Mapping[str, str]) -> Limits:
    """Return what a rule's jobs for a task may ask for at most."""
    return _limits.get((rule or "", wildcards.get("task", "")), UNLIMITED)


def causes(rule: str | None, wildcards: Mapping[str, str], attempt: int) -> list[str]:
    """Return how the attempts before this one ended."""
    told = _causes.get(_key(rule or "", wildcards), [])[: attempt - 1]
    return [*told, *[UNTOLD] * (attempt - 1 - len(told))]


def grown(first: Mapping[str, int], ended: Sequence[str], limits: Limits, longest: int) -> dict[str, int]:
    """Return ``first``, a job's ``runtime`` (minutes), ``mem_mb`` and ``gpu``, after attempts that ``ended`` so.

    Each lack doubles what was lacking, to at most ``longest`` minutes and to what the limits allow. GPUs never grow:
    that would make it another training.
    """
    found = dict(first)
    for cause in ended:
        if cause in (OUT_OF_MEMORY, UNTOLD):
            found["mem_mb"] *= 2
        if cause in (TIMEOUT, UNTOLD):
            found["runtime"] *= 2
    if UNTOLD in ended and limits == UNLIMITED:
        found = {name: min(value, MOST_UNTOLD * first[name]) for name, value in found.items()}
    most = {"runtime": min(longest, limits.minutes or longest), "mem_mb": limits.mem_mb or found["mem_mb"]}
    # what the first attempt asked for stands: whoever refuses that says so
    return {name: max(first[name], min(value, most.get(name, value))) for name, value in found.items()}


def _key(rule: str, wildcards: Mapping[str, str]) -> JobKey:
    return rule, tuple(sorted(wildcards.items()))

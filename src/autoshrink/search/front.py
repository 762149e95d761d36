"""The Pareto front of a search's candidates, over quality and every cost."""

from collections.abc import Sequence
from typing import TypeVar

from autoshrink.records.record import Numbers
from autoshrink.records.round import ScoredSlot

Trained = TypeVar("Trained", bound=ScoredSlot)

COSTS = ("macs", "parameters", "latency_ms", "activation_bytes", "memory_bytes", "arena_bytes", "flash_bytes")
"""Costs that a front weighs against quality, where they were counted or measured."""


def non_dominated(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the points that no other dominates, less being better in every coordinate.

    Of equal points the first stays. All points have the same number of coordinates.
    """
    kept: list[int] = []
    # a point is dominated only by ones that sort before it, so one pass over the sorted points is enough
    for index in sorted(range(len(points)), key=lambda number: (tuple(points[number]), number)):
        point = points[index]
        if not any(all(a <= b for a, b in zip(points[other], point, strict=True)) for other in kept):
            kept.append(index)
    return sorted(kept)


def members(qualities: Sequence[float | None], costs: Sequence[Numbers], higher_is_better: bool) -> list[int]:
    """Return the indices of the candidates that none dominates in quality and every cost.

    A cost counts where all candidates have it. One without a finite quality (None) is no member.
    """
    known = [index for index, quality in enumerate(qualities) if quality is not None]
    names = costs_compared([costs[index] for index in known])
    sign = -1.0 if higher_is_better else 1.0
    points = [[sign * (qualities[index] or 0.0), *(costs[index][name] for name in names)] for index in known]
    return [known[number] for number in non_dominated(points)]


def costs_compared(costs: Sequence[Numbers]) -> list[str]:
    """Return the names of the costs that a front of these candidates compares: those that all of them have."""
    return [name for name in COSTS if all(name in item for item in costs)]


def front(candidates: Sequence[Trained], metric: str, higher_is_better: bool) -> list[Trained]:
    """Return those of a search's fully trained ``candidates`` that none dominates in ``metrics[metric]`` and cost."""
    qualities = [item.metrics.get(metric) for item in candidates]
    indices = members(qualities, [item.costs for item in candidates], higher_is_better)
    return [candidates[index] for index in indices]

"""The candidates that no other one dominates: as good or better in everything, and better in something."""

from collections.abc import Mapping, Sequence
from typing import Any

# costs that a front weighs against quality, where they were counted or measured
COSTS = ("macs", "parameters", "latency_ms", "activation_bytes")


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


def front(candidates: Sequence[Mapping[str, Any]], metric: str, higher_is_better: bool) -> list[Mapping[str, Any]]:
    """Return those of a search's fully trained ``candidates`` that none dominates in ``metrics[metric]`` and every
    cost.

    A cost counts where all candidates have it. One without a finite metric is left out.
    """
    known = [item for item in candidates if item["metrics"].get(metric) is not None]
    costs = [name for name in COSTS if all(name in item["costs"] for item in known)]
    sign = -1.0 if higher_is_better else 1.0
    points = [[sign * item["metrics"][metric], *(item["costs"][name] for name in costs)] for item in known]
    return [known[index] for index in non_dominated(points)]

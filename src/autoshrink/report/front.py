"""Which candidates no other one dominates."""

from collections.abc import Sequence


def pareto(points: Sequence[tuple[float, float | None]], lower_is_better: bool) -> list[int]:
    """Return the indices of the non-dominated (cost, metric) points, cheapest first.

    Less cost is better; more metric is, unless ``lower_is_better``. Of equal points the first stays. None is dominated.
    """
    sign = 1.0 if lower_is_better else -1.0
    known = [(cost, sign * metric, index) for index, (cost, metric) in enumerate(points) if metric is not None]
    front: list[int] = []
    best = float("inf")
    for _, metric, index in sorted(known):
        if metric < best:
            best = metric
            front.append(index)
    return front

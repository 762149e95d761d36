"""Scale a network's width to a target cost.

A family of networks is a function from a width to costs: an image network by its channel scale, a language model by its
hidden size. Each cost grows with the width, in steps where widths are rounded to whole channels, so the width is found
by bisection over a grid.
"""

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoshrink.errors import UserError, meant

Fit = Literal["nearest", "at_most"]
"""Whether the cost may be on either side of its target, or is a limit."""

_AROUND = 3
"""Steps of the grid that are looked at on either side of bisection's answer: where a projection gives way to an
identity, a wider network can be a little cheaper."""


@dataclass(frozen=True)
class Scaled:
    """The width that was found, and what the network costs there."""

    width: float
    costs: Mapping[str, float]
    """All costs of the family at this width, whether they have a target or not."""
    binding: str
    """The target that decided: the one its cost comes closest to, or exceeds by most."""
    ratio: float
    """The binding cost as a share of its target."""

    @property
    def margin(self) -> float:
        """How far the binding cost stays below its target, as a share of it; negative where it is above."""
        return 1.0 - self.ratio


class UnreachableCostError(UserError):
    """No width of a family has the wanted cost; ``nearest`` is the one that comes closest."""

    def __init__(self, message: str, nearest: Scaled) -> None:
        super().__init__(message)
        self.nearest = nearest


def scale(
    family: Callable[[float], Mapping[str, float]],
    targets: Mapping[str, float],
    widths: Sequence[float],
    *,
    tolerance: float,
    fit: Fit = "nearest",
) -> Scaled:
    """Return the width, one of ``widths`` (ascending), at which the family's costs meet ``targets``.

    Of several targets the tightest one binds. ``nearest`` finds the cost that is nearest to its target, above or below,
    and at most ``tolerance`` (a share of the target) away; ``at_most`` the greatest cost that exceeds no target, and is
    at most ``tolerance`` below the tightest. Each width is built once at most; the narrowest of equally good ones is
    taken.

    Raises UnreachableCostError, in one line that names the nearest cost that can be reached, where there is no such
    width; UserError where a target is none of the family's costs, or not positive.
    """
    assert widths, "a family has at least one width"
    assert all(first < second for first, second in itertools.pairwise(widths)), "widths ascend"
    wrong = next((name for name, target in targets.items() if not 0 < target < math.inf), None)
    if wrong is not None:
        raise UserError(f"{wrong} = {targets[wrong]:g}: no cost to scale to; accepted: a number above 0")

    @functools.cache
    def at(index: int) -> Scaled:
        costs = family(widths[index])
        unknown = next((name for name in targets if name not in costs), None)
        if unknown is not None:
            raise UserError(
                f"{unknown}: no cost of this network{meant(unknown, costs)}; accepted: {', '.join(sorted(costs))}"
            )
        binding = max(targets, key=lambda name: costs[name] / targets[name])
        return Scaled(widths[index], costs, binding, costs[binding] / targets[binding])

    above = _first_above(lambda index: at(index).ratio, len(widths), bisect.bisect_right(widths, 1.0) - 1)
    near = [at(index) for index in range(max(0, above - _AROUND), min(len(widths), above + _AROUND))]
    fitting = [one for one in near if one.ratio <= 1.0] if fit == "at_most" else near
    # min and max take the first, which is the narrowest
    best = min(fitting or near, key=lambda one: abs(one.ratio - 1.0))
    if not fitting or abs(best.ratio - 1.0) > tolerance:
        raise UnreachableCostError(_unreachable(best, targets, tolerance, fit), best)
    return best


def _first_above(ratio: Callable[[int], float], count: int, start: int) -> int:
    """Return the first of ``count`` indices whose ratio is above 1, ``count`` where none is; ratios ascend.

    Steps from ``start`` double until the target is passed, and bisection finds it between the last two: no network is
    built that is much wider than the one wanted.
    """
    start = min(max(start, 0), count - 1)
    low, high = -1, count  # ratio(low) <= 1 < ratio(high)
    upwards = ratio(start) <= 1.0
    low, high = (start, high) if upwards else (low, start)
    step = 1
    while 0 <= (index := start + step if upwards else start - step) < count:
        is_above = ratio(index) > 1.0
        low, high = (low, index) if is_above else (index, high)
        if is_above == upwards:
            break
        step *= 2
    return bisect.bisect_right(range(count), 1.0, low + 1, high, key=ratio)


def _unreachable(best: Scaled, targets: Mapping[str, float], tolerance: float, fit: Fit) -> str:
    name = best.binding
    wanted = f"at most {targets[name]:,.6g}" if fit == "at_most" else f"{targets[name]:,.6g}"
    slack = f" and no more than {tolerance:.1%} below it" if fit == "at_most" else f" to within {tolerance:.1%}"
    return (
        f"{name}: no width has {wanted}{slack}; the nearest is {best.costs[name]:,.6g}, at width {best.width:.4g}: "
        f"ask for that, or for another cost"
    )

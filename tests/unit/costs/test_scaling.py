import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.costs import scaling
from autoshrink.errors import UserError

WIDTHS = range(1, 200)


def square(width: float) -> dict[str, float]:
    """A family as convolutions are: MACs grow with the square of the width, activations with the width."""
    return {"macs": 10 * width**2, "activation_bytes": 100 * width}


def test_the_nearest_cost_may_be_above_or_below() -> None:
    """Of the widths on both sides of a target, the one with the nearer cost is taken."""
    assert scaling.scale(square, {"macs": 10 * 50**2 - 30}, WIDTHS, tolerance=0.03).width == 50
    assert scaling.scale(square, {"macs": 10 * 50**2 + 30}, WIDTHS, tolerance=0.03).width == 50


def test_a_limit_is_never_exceeded() -> None:
    """``at_most`` takes the widest network within the limit, and says by what margin."""
    found = scaling.scale(square, {"macs": 10 * 50**2 - 1}, WIDTHS, tolerance=0.1, fit="at_most")
    assert found.width == 49
    assert found.margin == pytest.approx(1 - 49**2 / (50**2 - 0.1))


def test_the_tightest_of_several_targets_binds() -> None:
    """Scaling stops at the first limit that is met, and names it."""
    limits = {"macs": 10 * 80.0**2, "activation_bytes": 100 * 60.0}
    found = scaling.scale(square, limits, WIDTHS, tolerance=0.03, fit="at_most")
    assert (found.width, found.binding) == (60, "activation_bytes")


def test_a_wider_network_that_is_a_little_cheaper_is_found() -> None:
    """Where an identity takes a projection's place the cost dips; the dip is looked at, too."""

    def dips(width: float) -> dict[str, float]:
        return {"macs": 1000 * width - (2500 if width == 53 else 0)}

    assert scaling.scale(dips, {"macs": 50500.0}, WIDTHS, tolerance=0.001).width == 53


@pytest.mark.parametrize(("target", "nearest"), [(1.0, "10"), (1e12, "396,010"), (35.0, "40")])
def test_an_unreachable_target_names_the_nearest_cost(target: float, nearest: str) -> None:
    """Too small, too large, or between two widths: one line says what can be had instead."""
    with pytest.raises(scaling.UnreachableCostError, match=f"the nearest is {nearest}, at width") as raised:
        scaling.scale(square, {"macs": target}, WIDTHS, tolerance=0.03)
    assert "\n" not in str(raised.value)


def test_a_limit_below_the_narrowest_network_is_unreachable() -> None:
    """``at_most`` does not return a network that costs more."""
    with pytest.raises(scaling.UnreachableCostError, match="the nearest is 10, at width 1"):
        scaling.scale(square, {"macs": 9.0}, WIDTHS, tolerance=0.5, fit="at_most")


def test_no_network_much_wider_than_the_wanted_one_is_built() -> None:
    """A user's own function makes a whole network for each width that is tried."""
    built: list[float] = []

    def family(width: float) -> dict[str, float]:
        built.append(width)
        return square(width)

    widths = [1.01**index / 64 for index in range(837)]
    assert scaling.scale(family, {"macs": 40.0}, widths, tolerance=0.03).width == pytest.approx(2, rel=0.02)
    assert max(built) < 5


def test_an_unknown_cost_or_a_bad_target_is_refused() -> None:
    """A typing error and a target of zero are each said in one line."""
    with pytest.raises(UserError, match="did you mean 'macs'"):
        scaling.scale(square, {"mac": 9.0}, WIDTHS, tolerance=0.5)
    with pytest.raises(UserError, match="macs = 0: no cost to scale to"):
        scaling.scale(square, {"macs": 0.0}, WIDTHS, tolerance=0.5)


@given(
    steps=st.lists(st.integers(0, 40), min_size=1, max_size=120),
    target=st.floats(1, 3000),
    tolerance=st.floats(0, 0.5),
    fit=st.sampled_from(["nearest", "at_most"]),
)
def test_any_monotone_family_is_scaled_to_the_best_width(
    steps: list[int], target: float, tolerance: float, fit: scaling.Fit
) -> None:
    """With plateaus and jumps, the answer is as good as that of trying every width."""
    costs = [1 + sum(steps[: index + 1]) for index in range(len(steps))]
    built: list[float] = []

    def family(width: float) -> dict[str, float]:
        built.append(width)
        return {"macs": costs[int(width)]}

    accepted = [
        cost for cost in costs if abs(cost / target - 1) <= tolerance and (fit == "nearest" or cost / target <= 1)
    ]
    try:
        found = scaling.scale(family, {"macs": target}, range(len(costs)), tolerance=tolerance, fit=fit)
    except scaling.UnreachableCostError as error:
        assert not accepted
        assert "\n" not in str(error)
    else:
        assert abs(found.ratio - 1) == min(abs(cost / target - 1) for cost in accepted)
        assert found.costs["macs"] == costs[int(found.width)]
    assert len(built) == len(set(built)) <= 2 * math.ceil(math.log2(len(costs) + 1)) + 8

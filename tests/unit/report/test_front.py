from hypothesis import given
from hypothesis import strategies as st

from autoshrink.report.front import pareto

POINTS = st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(0, 9))), max_size=20)


def test_front_of_a_known_set() -> None:
    """Cheaper or better stays; dearer and no better goes; what diverged goes."""
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.4), (2.0, 0.7), (4.0, 0.9), (0.5, None)]
    assert pareto(points, lower_is_better=False) == [1, 3, 0]
    assert pareto(points, lower_is_better=True) == [1, 2]


@given(POINTS, st.booleans())
def test_front_is_what_no_point_dominates(points: list[tuple[float, float | None]], lower: bool) -> None:
    """Every point outside the front is matched or beaten by one inside, and none inside beats another."""
    front = pareto(points, lower)
    sign = 1 if lower else -1

    def covers(one: int, other: int) -> bool:
        (cost, metric), (other_cost, other_metric) = points[one], points[other]
        assert metric is not None and other_metric is not None
        return cost <= other_cost and sign * metric <= sign * other_metric

    known = [index for index, (_, metric) in enumerate(points) if metric is not None]
    assert all(any(covers(kept, index) for kept in front) for index in known)
    assert not any(covers(one, other) for one in front for other in front if one != other)

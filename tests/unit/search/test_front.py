from hypothesis import given
from hypothesis import strategies as st

from autoshrink.search import front

CANDIDATES = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.integers(1, 9), st.integers(1, 9)), max_size=20
)


def test_front_of_a_known_set() -> None:
    """Cheaper or better stays; dearer and no better goes; what diverged goes."""
    qualities = [0.9, 0.5, 0.4, 0.7, 0.9, None]
    costs = [{"macs": value} for value in (3.0, 1.0, 2.0, 2.0, 4.0, 0.5)]
    assert front.members(qualities, costs, higher_is_better=True) == [0, 1, 3]
    assert front.members(qualities, costs, higher_is_better=False) == [1, 2]


def test_a_cost_that_some_candidates_lack_is_not_compared() -> None:
    """Latency measured for one candidate alone keeps no dominated one on the front."""
    costs = [{"macs": 1.0}, {"macs": 2.0, "latency_ms": 0.1}]
    assert front.costs_compared(costs) == ["macs"]
    assert front.members([0.9, 0.8], costs, higher_is_better=True) == [0]


@given(CANDIDATES, st.booleans())
def test_front_is_what_no_candidate_dominates(candidates: list[tuple[int | None, int, int]], higher: bool) -> None:
    """Every candidate outside is matched or beaten in everything by one inside, and none inside by another."""
    qualities = [quality for quality, _, _ in candidates]
    costs = [{"macs": macs, "parameters": parameters} for _, macs, parameters in candidates]
    members = front.members(qualities, costs, higher)

    def covers(one: int, other: int) -> bool:
        sign = -1 if higher else 1
        better, worse = qualities[one], qualities[other]
        assert better is not None and worse is not None
        return sign * better <= sign * worse and all(costs[one][name] <= costs[other][name] for name in costs[one])

    known = [index for index, quality in enumerate(qualities) if quality is not None]
    assert all(any(covers(kept, index) for kept in members) for index in known)
    assert not any(covers(one, other) for one in members for other in members if one != other)

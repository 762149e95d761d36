"""Plans of small random networks: their cost by trying everything, their shares, and what must always hold."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.errors import UserError
from autoshrink.planner import tables
from autoshrink.planner.array import Accelerator, Array, joined, uniform
from autoshrink.planner.fitting import best_plan
from autoshrink.planner.layers import Kind, Layer, Network, Partition, chain
from autoshrink.planner.planning import Division, Method, Planner, Rule, Settings
from autoshrink.planner.simulation import simulate
from autoshrink.planner.tables import Part, Sizes, Splits
from autoshrink.planner.timing import Costing, leaves
from tests.unit.planner.made import FAST, SLOW, arrays, networks, recurrent_networks

ANY = st.one_of(networks(), recurrent_networks().map(lambda made: made[2]))
TWO = Array("two", joined([uniform(FAST, 1), uniform(SLOW, 1)]))


def cost(planner: Planner, types: tuple[int, ...], share: float) -> float:
    """Return what types cost at the first split, written out plainly."""
    constants, network = planner.constants, planner.network
    parts = Part.stacked([Part.whole(len(types))])
    sizes, splits = Sizes.of(constants, parts), Splits.of([planner.array.root], planner.array.bytes_per_number)
    nodes = planner._layers(sizes, splits, parts, np.full((len(types), 1), share))
    edges = tables.edge_costs(constants, sizes, splits, np.array([share]))
    found = sum(nodes[index, 0, kind] for index, kind in enumerate(types))
    return float(
        found + sum(edges[n, 0, types[edge.source], types[edge.target]] for n, edge in enumerate(network.edges))
    )


@given(networks(5), st.sampled_from(list(Method)))
@settings(max_examples=60, deadline=None)
def test_types_of_branching_networks_are_the_cheapest_of_all(network: Network, method: Method) -> None:
    """Forks and joins included: every combination of types is tried at the share that was chosen."""
    planner = Planner(network, TWO, Settings(method, "equal"), Rule.EQUAL)
    try:
        division = planner.plan()
    except UserError:
        return
    best = min(cost(planner, types, 0.5) for types in itertools.product(range(3), repeat=len(network.layers)))
    assert division.is_exact
    assert cost(planner, tuple(division.types), 0.5) == pytest.approx(best, rel=1e-12)


@given(ANY, arrays(), st.sampled_from(list(Method)), st.sampled_from(["equal", "balanced"]))
@settings(max_examples=100, deadline=None)
def test_the_simulator_without_overlap_agrees_exactly(
    network: Network, array: Array, method: Method, shares: str
) -> None:
    chosen = Settings(method, shares)  # type: ignore[arg-type]
    try:
        division = best_plan(network, array, chosen)
    except UserError:
        return
    costing = Costing(network, array, chosen)
    planned = costing.parts(division).total
    assert simulate(costing, division, overlap=False).total == planned
    overlapped = simulate(costing, division, overlap=True)
    assert overlapped.busiest <= overlapped.total <= planned


@given(ANY, arrays(), st.sampled_from(["equal", "balanced"]))
@settings(max_examples=60, deadline=None)
def test_all_work_is_done_once(network: Network, array: Array, shares: str) -> None:
    """The devices' work adds up to the network's, however it is divided."""
    chosen = Settings(Method.ACCPAR, shares)  # type: ignore[arg-type]
    try:
        division = best_plan(network, array, chosen)
    except UserError:
        return
    costing = Costing(network, array, chosen)

    def work(current: Division) -> float:
        if current.sides is None:
            return float(Sizes.of(costing.constants, Part.stacked([current.part])).work_LK3.sum())
        return sum(work(side) for side in current.sides)

    whole = float(Sizes.of(costing.constants, Part.stacked([Part.whole(len(network.layers))])).work_LK3.sum())
    assert work(division) == pytest.approx(whole, rel=1e-9)


@given(networks())
@settings(max_examples=40, deadline=None)
def test_balanced_shares_are_never_slower_than_equal_ones_on_two_devices(network: Network) -> None:
    times = {}
    for shares in ("equal", "balanced"):
        chosen = Settings(Method.ACCPAR, shares)  # type: ignore[arg-type]
        try:
            times[shares] = Costing(network, TWO, chosen).parts(best_plan(network, TWO, chosen)).total
        except UserError:
            return
    assert times["balanced"] <= times["equal"] + 3 * len(network.layers)  # each action is rounded to a picosecond


def dense(batch: int, *widths: int) -> Network:
    """Return a chain of dense layers."""
    pairs = itertools.pairwise(widths)
    return chain("dense", batch, [Layer(f"d{i}", Kind.DENSE, a, b, 1, 1, 1, ()) for i, (a, b) in enumerate(pairs)])


def test_a_share_balances_devices_of_unequal_speed() -> None:
    """Where communication costs next to nothing, a device four times as fast gets four fifths."""
    from dataclasses import replace

    free = Array("free", joined([uniform(replace(FAST, bandwidth=1e18), 1), uniform(replace(SLOW, bandwidth=1e18), 1)]))
    division = best_plan(dense(512, 1000, 1000), free, Settings(Method.DATA))
    assert division.shares[0] == pytest.approx(0.8, abs=0.002)


def test_received_parts_are_those_of_the_papers_table() -> None:
    """Nine entries, tensor and error together, for a side with a share of 0.3."""
    share, other = 0.3, 0.7
    network = dense(10, 8, 8, 8)
    constants = tables.Constants.of(network)
    sizes = Sizes.of(constants, Part.stacked([Part.whole(2)]))
    splits = Splits(np.ones((2, 1)), np.array([[1.0], [1e9]]), np.ones((2, 1)), np.zeros((2, 1), dtype=np.int64))
    costs = tables.edge_costs(constants, sizes, splits, np.array([share]))[0, 0] / 80
    both = 2 * share * other
    expected = [[0, both, other], [other, other, 0], [both, 0, other]]
    assert costs == pytest.approx(np.array(expected, dtype=float), abs=1e-6)


def test_a_batch_smaller_than_the_array_is_one_line() -> None:
    array = Array("eight", uniform(FAST, 8))
    with pytest.raises(
        UserError, match=r"^dense: layer d0 cannot be divided between 8 fast by data: 4 examples, .*--batch"
    ):
        best_plan(dense(4, 16, 16), array, Settings(Method.DATA))


def test_depthwise_convolutions_divided_by_channel_sum_nothing() -> None:
    layers = [Layer("dw", Kind.DEPTHWISE, 64, 64, 9, 49, 49, (), 64)]
    division = best_plan(chain("dw", 2, layers), TWO, Settings(Method.HYPAR, "equal"))
    costing = Costing(chain("dw", 2, layers), TWO, Settings(Method.HYPAR, "equal"))
    assert division.types == (Partition.INPUT,)
    assert sum(costing.parts(division).communication) == 0


def test_an_array_of_many_kinds_is_counted_in_words() -> None:
    kinds = [uniform(Accelerator(f"a{index}", 1.0, 1.0, 1.0), 2) for index in range(5)]
    assert joined(kinds[:2]).label == "2 a0 + 2 a1"
    assert joined(kinds).label == "10 devices of 5 kinds"


def test_equal_halves_are_planned_once() -> None:
    division = best_plan(dense(512, 256, 256), Array("many", uniform(FAST, 256)), Settings())
    assert len(leaves(division)) == 1


def test_two_hundred_layers_and_eight_levels_take_less_than_ten_seconds() -> None:
    """Between two kinds of device, with balanced shares; it takes one or two where nothing else runs."""
    layers = [Layer(f"c{index}", Kind.CONVOLUTION, 256, 256, 9, 196, 196, ()) for index in range(200)]
    array = Array("boards", joined([uniform(FAST, 128), uniform(SLOW, 128)]))
    start = time.process_time()
    division = best_plan(chain("deep", 4096, layers), array, Settings())
    assert time.process_time() - start < 10
    assert division.is_exact
    assert array.root.levels == 8

"""Recurrent cells: their networks' sizes, what a plan of one costs by hand, and the least of all plans."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells import released
from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.params.language import LanguageNetwork
from autoshrink.planner.array import Accelerator, Array, joined, uniform
from autoshrink.planner.fitting import best_plan
from autoshrink.planner.layers import Kind, Network, Partition
from autoshrink.planner.placements import of
from autoshrink.planner.planning import Division, Method, Planner, Rule, Settings
from autoshrink.planner.readers import profiling, recurrent
from autoshrink.planner.simulation import simulate
from autoshrink.planner.tables import Part
from autoshrink.planner.timing import Costing
from autoshrink.tasks.language import costs
from tests.unit.planner.made import FAST, SLOW, recurrent_networks
from tests.unit.planner.test_planning import cost

TWO = Array("two", joined([uniform(FAST, 1), uniform(SLOW, 1)]))
WORDS, EMBEDDING, HIDDEN, STEPS, BATCH = 7, 6, 4, 3, 8


def tiny(tied: bool = False) -> Network:
    """Return the language model of the cell with one edge."""
    network = LanguageNetwork(embedding=HIDDEN if tied else EMBEDDING, hidden=HIDDEN, tied=tied)
    return recurrent.read("tiny", Cell.of(["tanh"], [(0, 1)]), network, WORDS, STEPS, BATCH)


def test_a_cell_becomes_its_products_and_states() -> None:
    found = {layer.name: layer for layer in tiny().layers}
    assert list(found) == ["embedding", "input", "recurrent", "node 0", "edges of 0", "output", "decoder"]
    sizes = {name: (layer.in_channels, layer.out_channels) for name, layer in found.items() if layer.weights}
    assert sizes == {
        "embedding": (WORDS, EMBEDDING),
        "input": (EMBEDDING, 2 * HIDDEN),
        "recurrent": (HIDDEN, 2 * HIDDEN),
        "edges of 0": (HIDDEN, 2 * HIDDEN),
        "decoder": (HIDDEN, WORDS),
    }
    (edge,) = [edge for edge in tiny().edges if edge.previous and edge.target == 2]
    assert (edge.source, edge.elements) == (5, HIDDEN * STEPS)


@given(recurrent_networks())
@settings(max_examples=10, deadline=None)
def test_a_network_costs_what_the_counter_counts(made: tuple[Cell, LanguageNetwork, Network]) -> None:
    """Weights (tied ones once) and multiply-accumulates are those of ``autoshrink cost``, for each word."""
    cell, network, found = made
    words = found.layers[0].in_channels
    counted = costs.measure(cell, network, words)
    assert found.loop is not None
    # the counter has the decoder's bias too
    assert found.macs == (counted["macs"] - words) * found.loop.steps
    assert found.weights == counted["parameters"] - words


def test_the_released_cell_has_the_published_size() -> None:
    shrinkrnn = released.load("shrinkrnn")
    assert isinstance(shrinkrnn.network, LanguageNetwork)
    found = recurrent.read("shrinkrnn", shrinkrnn.cell, shrinkrnn.network, 10_000, 35, 512)
    assert found.weights + 10_000 == 23_000_700


def step_time(network: Network, types: tuple[int, ...]) -> float:
    """Return the seconds of a step between two devices that compute at once and receive a number a second each."""
    device = Accelerator("device", float("inf"), 1e9, 1.0)
    array = Array("pair", uniform(device, 2), bytes_per_number=1)
    part = Part.whole(len(types))
    leaf = Division(array.root.sides[0], part)  # type: ignore[index]
    chosen = tuple(Partition(kind) for kind in types)
    division = Division(array.root, part, chosen, (0.5,) * len(types), (leaf, leaf))
    costing = Costing(network, array, Settings(Method.ACCPAR, "equal"))
    total = costing.parts(division).total
    assert simulate(costing, division, overlap=False).total == total
    return total / 1e12


ALL = STEPS * BATCH
# embedding, input, recurrent, node 0, edges of 0, output, decoder; joins as their products need them
BY_HAND = {
    # each gradient is exchanged once in a training step, however many time steps there are
    "I": (
        (0, 0, 0, 0, 0, 0, 0),
        WORDS * EMBEDDING + EMBEDDING * 2 * HIDDEN + 2 * (HIDDEN * 2 * HIDDEN) + HIDDEN * WORDS,
    ),
    # outputs are summed; errors at inputs lie divided and are put together; the first state has no error
    "II": (
        (1, 1, 1, 2, 1, 2, 1),
        EMBEDDING * ALL  # the embedding's output
        + 3 * 2 * HIDDEN * ALL  # input, recurrent, edges
        + WORDS * ALL  # decoder
        + EMBEDDING * ALL / 2  # the error at the input's product
        + HIDDEN * (STEPS - 1) * BATCH / 2  # at the recurrent one's
        + 2 * HIDDEN * ALL / 2,  # at the edges' and the decoder's
    ),
    # inputs are put together, errors at them are summed
    "III": (
        (2, 2, 2, 1, 2, 1, 2),
        (EMBEDDING + 3 * HIDDEN) * ALL / 2 + (EMBEDDING + 2 * HIDDEN) * ALL + HIDDEN * (STEPS - 1) * BATCH,
    ),
}


@pytest.mark.parametrize("name", list(BY_HAND))
def test_a_plan_costs_what_it_does_by_hand(name: str) -> None:
    """One share of a half, all layers of one type, numbers received in a step."""
    types, numbers = BY_HAND[name]
    assert step_time(tiny(), types) == pytest.approx(numbers, rel=1e-9)


def test_tied_weights_are_kept_and_exchanged_once() -> None:
    free, tied = tiny(), tiny(tied=True)
    assert tied.weights == free.weights - WORDS * EMBEDDING - (EMBEDDING - HIDDEN) * 2 * HIDDEN
    assert step_time(tied, (0,) * 7) == tied.weights


@given(recurrent_networks(most=3), st.sampled_from(list(Method)))
@settings(max_examples=6, deadline=None)
def test_types_of_a_cell_are_the_cheapest_of_all(made: tuple[Cell, LanguageNetwork, Network], method: Method) -> None:
    """Every combination of types of all layers is tried; tied matrices lie in one way."""
    network = made[2]
    planner = Planner(network, TWO, Settings(method, "equal"), Rule.EQUAL)
    division = planner.plan()
    alike = {
        (Partition.BATCH, Partition.BATCH),
        (Partition.INPUT, Partition.OUTPUT),
        (Partition.OUTPUT, Partition.INPUT),
    }
    best = min(
        cost(planner, types, 0.5)
        for types in itertools.product(*([0] if method is Method.DATA else range(3) for _ in network.layers))
        if all((types[first], types[second]) in alike for first, second in network.tied)
    )
    assert division.is_exact
    assert cost(planner, tuple(division.types), 0.5) == pytest.approx(best, rel=1e-12)


def test_a_tied_matrix_is_divided_in_one_way_at_every_split() -> None:
    """Its shares too, and the two layers' placements of it are those of one matrix."""
    network = recurrent.read("cell", Cell.of(["tanh"], [(0, 1)]), LanguageNetwork(), 500, 9, 64)
    division = best_plan(network, Array("boards", joined([uniform(FAST, 4), uniform(SLOW, 4)])), Settings())
    waiting, seen = [division], set()
    while waiting:
        current = waiting.pop()
        waiting += current.distinct_sides
        if current.types:
            embedding, decoder = current.types[0], current.types[-1]
            seen.add(embedding)
            assert current.shares[0] == current.shares[-1]
            assert of(Kind.EMBEDDING, embedding).weight == of(Kind.DENSE, decoder).weight
    assert len(seen) > 1


def test_a_narrow_exactness_still_plans_a_cell() -> None:
    """A beam takes loops and ties too, and says so."""
    network = recurrent.read("cell", Cell.complete(["tanh"] * 4), LanguageNetwork(), 500, 5, 64)
    beam = best_plan(network, TWO, Settings(exact_states=1))
    exact = best_plan(network, TWO, Settings(shares="equal"))
    costing = Costing(network, TWO, Settings())
    assert not beam.is_exact
    assert exact.is_exact
    assert costing.parts(beam).total < float("inf")
    assert (int(beam.types[0]), int(beam.types[-1])) in ((0, 0), (1, 2), (2, 1))


def test_products_are_timed_as_training_computes_them() -> None:
    """A plan for the machine that was measured takes what was measured."""
    network = tiny()
    seconds = profiling.measure_products(network, BATCH)
    slowness = profiling.slowness(network, seconds, BATCH, 1e9)
    here = Array("here", uniform(Accelerator("here", 1e9, 1e12, 1e9), 1))
    chosen = Settings(slowness=slowness)
    planned = Costing(network, here, chosen).parts(best_plan(network, here, chosen)).total / 1e12
    # the first time step's state needs no error
    expected = sum(sum(item) for item in seconds.values()) - seconds["recurrent"][1] / STEPS
    assert seconds["embedding"] == (0.0, 0.0, 0.0)
    assert planned == pytest.approx(expected, rel=1e-4)


def test_a_batch_smaller_than_the_array_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^tiny: layer embedding cannot be divided between 16 fast by data"):
        best_plan(tiny(), Array("many", uniform(FAST, 16)), Settings(Method.DATA))

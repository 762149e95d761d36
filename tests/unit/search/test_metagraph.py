"""The guide graph's weights: sampled, raised and lowered, and pruned at last."""

import math

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.params.search import ImageSearch
from autoshrink.params.strategies import MetaGraphStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.metagraph import MetaGraph, Weighted
from autoshrink.search.space import Dag
from autoshrink.search.strategy import ProposedCell, Scored, State
from tests.unit.search.search_runs import fraction

DRAWS = Draws(2020, "cnn/metagraph-0", "cnn/seed-0")
SEARCH = ImageSearch(nodes=4, k=4, keep_fraction=0.0)


def made(search: ImageSearch = SEARCH, **options: object) -> MetaGraph:
    return MetaGraph(search, Dag(search, search.operators), MetaGraphStrategy.model_validate(options))


def after(strategy: MetaGraph, state: State, *samples: tuple[Cell, float | None, float]) -> State:
    """Return the state after a round of these cells, each with its score and violation."""
    scored = [Scored(ProposedCell(cell, "made"), score, violation) for cell, score, violation in samples]
    return strategy.select(state, 1, scored, DRAWS).state


def test_good_samples_raise_their_edges_and_bad_ones_lower_theirs() -> None:
    """An edge of neither keeps its weight; the first baseline is the round's own mean."""
    strategy = made(rate=0.5)
    state = strategy.start(DRAWS)
    operators = state.cell.operators[1:]
    good, bad = Cell.of(operators[:1], [(0, 1)]), Cell((0, 2), ("input", operators[1]), ((0, 2),))
    learnt = after(strategy, state, (good, 0.9, 0.0), (bad, 0.5, 0.0))
    weights = Weighted.model_validate(learnt.memory).weights
    first = math.log(0.5)
    assert weights["0-1"]["present"] == pytest.approx(first + 0.25)
    assert weights["0-2"]["present"] == pytest.approx(first - 0.25)
    assert weights["1-2"] == {"present": first}


def test_a_sample_over_a_limit_or_without_a_score_counts_as_the_worst() -> None:
    """However good its accuracy, a network that does not fit lowers its edges' weights."""
    strategy = made()
    state = strategy.start(DRAWS)
    operators = state.cell.operators[1:]
    cell, other = Cell.of(operators[:1], [(0, 1)]), Cell((0, 2), ("input", operators[1]), ((0, 2),))
    for sample in ((cell, 0.9, 0.1), (cell, None, 0.0)):
        learnt = after(strategy, state, sample, (other, 0.4, 0.0), (other, 0.6, 0.0))
        weights = Weighted.model_validate(learnt.memory).weights
        assert weights["0-1"]["present"] < math.log(0.5)


def test_a_heavy_edge_is_sampled_often_and_a_light_one_seldom() -> None:
    """The weight is the chance."""
    search = ImageSearch(nodes=4, k=60, keep_fraction=0.0)
    strategy = made(search, cutoffs=[], rounds=20)
    state = strategy.start(DRAWS)
    names = Weighted.model_validate(state.memory).weights
    weights = {name: {"present": math.log(0.9 if name == "0-1" else 0.3)} for name in names}
    state = State(state.cell, memory=Weighted(weights=weights).to_json())
    sampled = [
        strategy.propose(state, number, DRAWS)[0].cell.edges for number in range(1, 21)
    ]  # the first of a round: later ones must differ from it
    assert sum((0, 1) in edges for edges in sampled) >= 14
    assert sum((0, 3) in edges for edges in sampled) <= 12


@pytest.mark.parametrize("reading", ["weight", "softmax"])
def test_the_last_round_prunes_the_graph_to_nested_cells(reading: str) -> None:
    """The heaviest edges stay, within the same number of trainings as shrinking's."""
    strategy = made(ImageSearch(nodes=5, k=4, keep_fraction=0.1), cutoffs=[0.6, 0.3], edge_probability=reading)
    counts = strategy.slots()
    assert counts[-1] == 2 and sum(counts) == sum(made(ImageSearch(nodes=5, k=4), cutoffs=[]).slots())
    state = strategy.start(DRAWS)
    for number in range(1, len(counts)):
        scored = [Scored(item, fraction(item.cell.key)) for item in strategy.propose(state, number, DRAWS)]
        state = strategy.select(state, number, scored, DRAWS).state
    wide, narrow = strategy.propose(state, len(counts), DRAWS)
    assert set(narrow.cell.edges) <= set(wide.cell.edges)
    assert (wide.origin, narrow.origin) == ("the heaviest 60% of the graph", "the heaviest 30% of the graph")
    weights = Weighted.model_validate(state.memory).weights
    dropped = [f"{i}-{j}" for i, j in state_edges(5) if (i, j) not in wide.cell.edges and i in wide.cell.nodes]
    kept = [f"{i}-{j}" for i, j in wide.cell.edges]
    assert max(weights[name]["present"] for name in dropped) <= min(weights[name]["present"] for name in kept) + 1e-9


def state_edges(nodes: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(nodes) for j in range(i + 1, nodes)]


def test_a_graph_of_thirty_nodes_is_sampled() -> None:
    """435 edges, as in the released networks' search; the cells have keys."""
    search = ImageSearch(nodes=30, k=3, keep_fraction=0.0)
    strategy = made(search, rounds=2, initial=0.1)
    proposed = strategy.propose(strategy.start(DRAWS), 1, DRAWS)
    assert len({item.cell.key for item in proposed}) == 3


def test_each_stage_has_a_graph_of_its_own() -> None:
    """A good first stage raises the weights of its own edges, and leaves those of the same edge elsewhere alone."""
    search = ImageSearch(nodes=3, k=4, keep_fraction=0.0, cells="per_stage")
    strategy = MetaGraph(search, Dag(search, search.operators, 2), MetaGraphStrategy())
    state = strategy.start(DRAWS)
    space = strategy.family.drawn(DRAWS)
    good, bad = (space.cell({first: "present", (3, 4): "present"}) for first in ((0, 1), (0, 2)))
    weights = Weighted.model_validate(after(strategy, state, (good, 0.9, 0.0), (bad, 0.5, 0.0)).memory).weights
    assert set(weights) == {"0-1", "0-2", "1-2", "3-4", "3-5", "4-5"}
    first = math.log(0.5)
    assert weights["0-1"]["present"] > first > weights["0-2"]["present"]
    assert weights["3-4"]["present"] == pytest.approx(first), "it was in both"
    assert weights["3-5"]["present"] == first

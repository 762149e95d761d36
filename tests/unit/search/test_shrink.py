"""The paper's strategy and its variants."""

import math
from collections import Counter
from itertools import pairwise

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.params.search import ImageSearch, LanguageSearch, TaskSearch
from autoshrink.params.strategies import ShrinkStrategy
from autoshrink.search.draws import Draws
from autoshrink.search.shrink import Shrink, shrink_space
from autoshrink.search.space import Dag, Subgraphs, draw_operators, threshold
from autoshrink.search.strategy import ProposedCell, Scored, State
from tests.unit.search.search_runs import DRAWS

PAPER_CNN = ImageSearch(nodes=8, k=10, keep_fraction=0.01)
PAPER_RNN = LanguageSearch(nodes=6, k=10, keep_fraction=0.25)


def shrink(search: TaskSearch = PAPER_CNN, **options: object) -> Shrink:
    """Return the strategy on CNN operators."""
    return Shrink(search, Dag(search, ["separable_conv_3x3", "conv_1x1"]), ShrinkStrategy.model_validate(options))


def scored(cell: Cell, value: float | None, violation: float = 0.0) -> Scored:
    """Return a candidate with its score."""
    return Scored(ProposedCell(cell, "made"), value, violation)


def test_the_papers_plans() -> None:
    """28 rounds and 235 evaluations for the CNN; 11 rounds and 95 evaluations for the RNN."""
    cnn, rnn = shrink().slots(), shrink(PAPER_RNN).slots()
    assert (len(cnn), sum(cnn)) == (28, 235)
    assert (len(rnn), sum(rnn)) == (11, 95)
    assert [threshold(each, Dag(each, each.operators)) for each in (PAPER_CNN, PAPER_RNN)] == [0, 4]


def test_the_start_is_complete() -> None:
    """Round 0 is the complete DAG: 8 nodes, 28 edges, node 0 the input."""
    state = shrink().start(DRAWS)
    assert len(state.cell.edges) == 28
    assert state.stopped is None


@pytest.mark.parametrize("nodes", range(2, 10))
def test_balanced_operators_differ_by_at_most_one(nodes: int) -> None:
    """Balanced: each operator equally often or one more; chance decides which has more, and where each stands."""
    search = ImageSearch(nodes=nodes, keep_fraction=0.0)
    drawn = [
        tuple(draw_operators(search, search.operators, Draws(seed, "cnn/shrink-0", "cnn/seed-0"))) for seed in range(60)
    ]
    counts = [Counter(operators) for operators in drawn]
    assert all(
        max(count[o] for o in search.operators) - min(count[o] for o in search.operators) <= 1 for count in counts
    )
    assert len(set(drawn)) > 1
    if (nodes - 1) % 2:
        assert {max(search.operators, key=count.__getitem__) for count in counts} == set(search.operators)


def test_uniform_operators_are_drawn_node_by_node() -> None:
    """Uniform: every node on its own, so that any mixture occurs, and a larger cell begins with the smaller's draws."""
    search = LanguageSearch(nodes=4)
    drawn = {
        tuple(draw_operators(search, search.operators, Draws(seed, "rnn/shrink-0", "rnn/seed-0")))
        for seed in range(600)
    }
    assert len(drawn) > 0.95 * 4**3
    larger = draw_operators(LanguageSearch(nodes=7), search.operators, DRAWS)
    assert draw_operators(search, search.operators, DRAWS) == larger[:3]


def test_searches_of_one_seed_name_have_the_same_operators() -> None:
    """Operators depend on the seed's name and not on the strategy; other seed names draw others."""
    one = draw_operators(PAPER_CNN, PAPER_CNN.operators, Draws(7, "cnn/shrink-0", "cnn/seed-0"))
    assert one == draw_operators(PAPER_CNN, PAPER_CNN.operators, Draws(7, "cnn/random-0", "cnn/seed-0"))
    others = [draw_operators(PAPER_CNN, PAPER_CNN.operators, Draws(7, "x", f"cnn/seed-{n}")) for n in range(1, 9)]
    assert any(one != other for other in others)


def test_the_shrink_space_removes_each_edge_once_and_prunes() -> None:
    """One candidate per edge; a node that loses its only input takes its own edges along."""
    cell = Cell.of(["conv_1x1"] * 3, [(0, 1), (1, 2), (0, 3), (2, 3)])
    space = shrink_space(Subgraphs(cell.operators[1:]), cell)
    assert [candidate.origin for candidate in space] == [
        "without 0 -> 1",
        "without 0 -> 3",
        "without 1 -> 2",
        "without 2 -> 3",
    ]
    assert space[0].removed == ((0, 1), (1, 2), (2, 3))
    assert space[0].cell == Cell((0, 3), ("input", "conv_1x1"), ((0, 3),))
    assert space[1].removed == ((0, 3),)


def test_proposals_are_k_of_the_space_without_replacement() -> None:
    """k candidates, all different; all of the space where it is smaller; other rounds and seeds draw others."""
    state = shrink().start(DRAWS)
    first = shrink().propose(state, 1, DRAWS)
    assert len(first) == 10 == len({candidate.origin for candidate in first})
    assert shrink().propose(state, 1, DRAWS) == first
    assert shrink().propose(state, 2, DRAWS) != first
    assert shrink().propose(state, 1, Draws(2020, "cnn/shrink-1", "cnn/seed-1")) != first
    small = State(Cell.of(["conv_1x1"] * 2, [(0, 1), (1, 2)]))
    assert len(shrink().propose(small, 27, DRAWS)) == 2


def test_a_candidate_without_a_finite_score_never_wins() -> None:
    """None loses to any score; where all are None the search stops and says so."""
    state = shrink().start(DRAWS)
    cells = [candidate.cell for candidate in shrink().propose(state, 1, DRAWS)]
    selection = shrink().select(state, 1, [scored(cells[0], None), scored(cells[1], -1e9)], DRAWS)
    assert selection.slot == 1
    assert selection.state.cell == cells[1]
    nothing = shrink().select(state, 1, [scored(cells[0], None), scored(cells[1], None)], DRAWS)
    assert nothing.slot is None
    assert nothing.state == State(state.cell, "no candidate of round 1 has a finite score")


def test_limits_come_before_the_score() -> None:
    """A candidate within the limits wins over any beyond; where all are beyond, the best score goes on."""
    state = shrink().start(DRAWS)
    cells = [candidate.cell for candidate in shrink().propose(state, 1, DRAWS)]
    assert shrink().select(state, 1, [scored(cells[0], 0.9, 0.1), scored(cells[1], 0.1)], DRAWS).slot == 1
    assert shrink().select(state, 1, [scored(cells[0], 0.8, 0.1), scored(cells[1], 0.9, 0.5)], DRAWS).slot == 1


def test_the_search_stops_at_the_threshold_and_stays_stopped() -> None:
    """At most ``threshold`` edges left: stopped; a stopped search proposes nothing and carries its state on."""
    strategy = shrink(ImageSearch(nodes=3, k=4, keep_fraction=0.5))
    state = strategy.start(DRAWS)
    chosen = next(item for item in strategy.propose(state, 1, DRAWS) if item.origin == "without 0 -> 1")
    selection = strategy.select(state, 1, [Scored(chosen, 0.5)], DRAWS)
    assert selection.state.stopped == "1 edges are left, the threshold is 2"
    assert strategy.propose(selection.state, 2, DRAWS) == []
    assert strategy.select(selection.state, 2, [], DRAWS).state == selection.state


@pytest.mark.parametrize(
    "options",
    [{}, {"edges_per_round": 2}, {"edges_per_round": 5}, {"exhaustive": True}, {"k_decay": 0.8}],
)
@pytest.mark.parametrize("keep_fraction", [0.0, 0.25])
def test_no_round_exceeds_its_plan(options: dict[str, object], keep_fraction: float) -> None:
    """Whatever wins, each variant proposes at most what it planned, and stops within its planned rounds."""
    strategy = shrink(ImageSearch(nodes=6, k=4, keep_fraction=keep_fraction), **options)
    for seed in range(5):
        draws = Draws(seed, "cnn/shrink-0", "cnn/seed-0")
        state = strategy.start(draws)
        for number, slots in enumerate(strategy.slots(), start=1):
            proposed = strategy.propose(state, number, draws)
            assert len(proposed) <= slots
            assert proposed or state.stopped
            before = state
            values = [draws.choice(f"value-{number}-{slot}", range(1000)) for slot in range(len(proposed))]
            state = strategy.select(
                state, number, [Scored(c, float(v)) for c, v in zip(proposed, values, strict=True)], draws
            ).state
            assert state.stopped or len(state.cell.edges) < len(before.cell.edges)
        assert state.stopped


def test_several_edges_a_round() -> None:
    """Candidates lack that many edges, no two the same ones, fewer in the last round; the rounds are fewer."""
    strategy = shrink(ImageSearch(nodes=5, k=6, keep_fraction=0.1), edges_per_round=4)
    assert strategy.slots() == [6, 6, 2]
    state = strategy.start(DRAWS)
    proposed = strategy.propose(state, 1, DRAWS)
    assert len({candidate.origin for candidate in proposed}) == 6
    assert all(candidate.origin.count("->") == 4 for candidate in proposed)
    assert all(len(candidate.removed) >= 4 for candidate in proposed)


def test_exhaustive_and_decaying_k() -> None:
    """Exhaustive: every edge is tried; decaying: k shrinks by its factor and never below 1."""
    assert shrink(ImageSearch(nodes=5, k=2, keep_fraction=0.0), exhaustive=True).slots() == list(range(10, 0, -1))
    decaying = shrink(ImageSearch(nodes=8, k=10, keep_fraction=0.0), k_decay=0.8).slots()
    assert decaying[:4] == [10, 8, 6, 5]
    assert all(after <= before for before, after in pairwise(decaying))
    assert decaying[-1] == 1
    assert sum(decaying) < 235
    assert math.prod(decaying) > 0

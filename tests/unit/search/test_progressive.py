"""The policy: it counts before it trains, learns from rewards, and ranks what it has not seen."""

from autoshrink.cells.cell import Cell
from autoshrink.params.objective import ImageObjective
from autoshrink.params.search import ImageSearch
from autoshrink.params.strategies import ProgressiveStrategy
from autoshrink.records.proposal import COUNTED
from autoshrink.search.draws import Draws
from autoshrink.search.progressive import Progressive, _Memory, _ridge
from autoshrink.search.space import Dag
from autoshrink.search.strategy import Scored
from autoshrink.study.nas_bench import NAS_201

DRAWS = Draws(2020, "cnn/progressive-0", "cnn/seed-0")
LIMITED = ImageSearch(nodes=5, k=4, keep_fraction=0.1, objective=ImageObjective(max_macs=5))


def made(search: ImageSearch, **options: object) -> Progressive:
    return Progressive(search, Dag(search, search.operators), ProgressiveStrategy.model_validate(options))


def test_children_over_a_limit_cost_no_training() -> None:
    """With limits every step first counts; what breaks one is not trained, and not proposed again."""
    strategy = made(LIMITED)
    trained_before = made(ImageSearch(nodes=5, k=4, keep_fraction=0.1)).slots()
    assert strategy.slots()[1::2] == trained_before, "as many trainings as without limits"
    state = strategy.start(DRAWS)
    counted: list[Cell] = []
    trained: list[Cell] = []
    for number in range(1, len(strategy.slots()) + 1):
        proposed = strategy.propose(state, number, DRAWS)
        fidelities = {item.fidelity.zero_cost if item.fidelity else None for item in proposed}
        assert fidelities <= ({COUNTED} if number % 2 else {None})
        scored = [
            Scored(
                item,
                None if number % 2 else 0.5 + 0.01 * len(item.cell.edges),
                max(0.0, len(item.cell.edges) / 5 - 1),
            )
            for item in proposed
        ]
        (counted if number % 2 else trained).extend(item.cell for item in proposed)
        state = strategy.select(state, number, scored, DRAWS).state
    assert any(len(cell.edges) > 5 for cell in counted), "the limit binds"
    assert trained and all(len(cell.edges) <= 5 for cell in trained)
    over = [cell.key for cell in counted if len(cell.edges) > 5]
    assert len(over) == len(set(over))


def test_the_policy_learns_what_is_rewarded() -> None:
    """Where one operator of NAS-Bench-201 is all that helps, the networks fill up with it."""
    search = ImageSearch(k=6)
    strategy = Progressive(search, NAS_201, ProgressiveStrategy(rounds=12))
    state, means = strategy.start(DRAWS), []
    for number in range(1, 13):
        proposed = strategy.propose(state, number, DRAWS)
        scores = [item.cell.operators.count("nor_conv_3x3") / 6 for item in proposed]
        means.append(sum(scores) / len(scores))
        scored = [Scored(item, value) for item, value in zip(proposed, scores, strict=True)]
        state = strategy.select(state, number, scored, DRAWS).state
    assert state.cell.operators.count("nor_conv_3x3") >= 5
    weights = _Memory.model_validate(state.memory).weights
    assert weights["option/nor_conv_3x3"] == max(v for k, v in weights.items() if k.startswith("option/"))


def test_penalties_over_several_limits() -> None:
    """A product of one factor per limit, or a sum of hinges; the violation is the sum of the excesses."""
    product, hinge = made(LIMITED, product_base=0.5), made(LIMITED, penalty="hinge", hinge_weight=2.0)
    assert product._paid(0.8, 1.0 + 2.0) == 0.8 * 0.5**1 * 0.5**2
    assert hinge._paid(0.8, 0.1 + 0.2) == 0.8 - 2.0 * (0.1 + 0.2)


def test_the_predictor_finds_a_linear_law() -> None:
    """Ridge regression orders unseen networks as a sum over what their places hold does."""
    known = [{"a": float(i & 1), "b": float(i >> 1 & 1), "c": float(i >> 2)} for i in range(7)]
    scores = [3 * row["a"] + 2 * row["b"] - row["c"] for row in known]
    best, middle, worst = _ridge(known, scores, [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"c": 1}])
    assert best > middle > worst


def test_a_baseline_over_the_limits_is_left_by_its_children() -> None:
    """Where nothing fits yet, children of the nearest to the limits are counted until some do, and only those train."""
    search = ImageSearch(k=3, objective=ImageObjective(max_macs=1))
    strategy = Progressive(search, NAS_201, ProgressiveStrategy(rounds=9))
    state, trained = strategy.start(DRAWS), 0
    for number in range(1, 19):
        proposed = strategy.propose(state, number, DRAWS)
        sizes = [len(NAS_201.chosen(item.cell)) for item in proposed]
        if number % 2 == 0:
            trained += len(proposed)
            assert all(size <= 3 for size in sizes)
        scored = [Scored(item, 0.5, max(0.0, size / 3 - 1)) for item, size in zip(proposed, sizes, strict=True)]
        state = strategy.select(state, number, scored, DRAWS).state
    assert trained >= 9

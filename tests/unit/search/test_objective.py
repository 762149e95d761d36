"""The paper's scores, further costs, hard limits, and how candidates are ordered."""

import math

import pytest
from pytest import approx

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.params.language import LanguageNetwork, LanguageProxy
from autoshrink.params.objective import ImageObjective, LanguageObjective
from autoshrink.params.vision import ImageProxy
from autoshrink.records.record import Metrics, Numbers
from autoshrink.runtime.seeds import shuffled
from autoshrink.search.objective import (
    preference,
    rank,
    score,
    violation,
)
from autoshrink.search.strategy import ProposedCell, Scored
from autoshrink.tasks.language.objective import language_score, paper_flops
from autoshrink.tasks.vision.objective import image_score

CELL = Cell.of(["conv_1x1", "conv_1x1"], [(0, 1), (1, 2)])


def scored(objective: ImageObjective | LanguageObjective, cell: Cell, metrics: Metrics, costs: Numbers) -> float | None:
    """Score an evaluation by the task's own proxy, a language model's of 100 hidden units."""
    if isinstance(objective, ImageObjective):
        return score(Task.CNN, objective, ImageProxy(), cell, metrics, costs)
    proxy = LanguageProxy(network=LanguageNetwork(hidden=100, embedding=100))
    return score(Task.RNN, objective, proxy, cell, metrics, costs)


def test_the_papers_image_score() -> None:
    """score = accuracy - 0.1 (log10(MACs) - 6)."""
    paper = ImageObjective(macs_weight=0.1)
    assert image_score(paper, 0.9, 1e6) == approx(0.9)
    assert image_score(paper, 0.9, 1e8) == approx(0.7)
    assert scored(paper, CELL, {"accuracy": 0.8}, {"macs": 1e5}) == approx(0.9)


def test_the_papers_language_score() -> None:
    """score = 0.25 (200 - perplexity) - (log10(edges nhid^2) - 6)."""
    assert paper_flops(CELL, 100) == 20_000
    assert language_score(LanguageObjective(), 100.0, 1e6) == approx(25.0)
    value = scored(LanguageObjective(), CELL, {"perplexity": 120.0}, {})
    assert value == approx(0.25 * 80 - (math.log10(20_000) - 6))


@pytest.mark.parametrize(
    ("weight", "cost", "expected"),
    [
        ("parameters_weight", {"parameters": 1e7}, 1.0),
        ("latency_weight", {"latency_ms": 100.0}, 2.0),
        ("memory_weight", {"activation_bytes": 1e9}, 3.0),
        ("macs_weight", {"macs": 1e10}, 4.0),
    ],
)
@pytest.mark.parametrize("objective", [ImageObjective, LanguageObjective])
def test_every_cost_can_be_weighed(objective, weight, cost, expected) -> None:  # type: ignore[no-untyped-def]
    """Each weight takes its share per ten times of its cost, for both tasks."""
    without = {"macs_weight": 0.0}
    metrics = {"accuracy": 0.5, "perplexity": 100.0}
    costs = {"macs": 1e6, "parameters": 1e5, **cost}
    free = scored(objective(**without), CELL, metrics, costs)
    weighed = scored(objective(**{**without, weight: 0.5}), CELL, metrics, costs)
    assert free is not None and weighed is not None
    assert free - weighed == approx(0.5 * expected)


def test_a_cost_without_weight_need_not_be_known() -> None:
    """Nobody has to measure latency or memory for an objective that does not weigh them."""
    assert scored(ImageObjective(), CELL, {"accuracy": 0.5}, {"macs": 1e6}) is not None


@pytest.mark.parametrize(
    ("accuracy", "macs"), [(None, 1e6), (float("nan"), 1e6), (float("inf"), 1e6), (0.5, 0), (0.5, float("nan"))]
)
def test_what_is_not_finite_has_no_score(accuracy: float | None, macs: float) -> None:
    """A diverged training, or a network without any cost, has no score."""
    assert scored(ImageObjective(), CELL, {"accuracy": accuracy}, {"macs": macs}) is None


def test_a_language_cell_without_edges_has_no_score() -> None:
    """The paper's cost of no edges has no logarithm."""
    assert scored(LanguageObjective(), Cell.of([], []), {"perplexity": 100.0}, {}) is None


def test_ties_are_broken_by_leaves_then_edges_then_key() -> None:
    """Of equal scores the cell with fewer leaves comes first, then with fewer edges, then the lesser key."""
    one_leaf = Cell.of(["conv_1x1"] * 2, [(0, 1), (0, 2), (1, 2)])
    chain = Cell.of(["conv_1x1"] * 2, [(0, 1), (1, 2)])
    two_leaves = Cell.of(["conv_1x1"] * 2, [(0, 1), (0, 2)])
    other_chain = Cell.of(["separable_conv_3x3"] * 2, [(0, 1), (1, 2)])
    best_first = [chain, other_chain, one_leaf, two_leaves]
    assert sorted(shuffled(1, "order", best_first), key=lambda cell: preference(0.5, cell)) == best_first
    assert preference(0.6, two_leaves) < preference(0.5, chain)


def test_limits_and_excess() -> None:
    """Within all limits the violation is 0, at the limit too; beyond, relative excesses add up."""
    objective = ImageObjective(max_macs=1000, max_params=100, max_latency_ms=2.0)
    assert objective.limits == {"macs": 1000, "parameters": 100, "latency_ms": 2.0}
    assert violation(objective, {"macs": 1000, "parameters": 100, "latency_ms": 2.0}) == 0
    assert violation(objective, {"macs": 1500, "parameters": 50, "latency_ms": 1.0}) == approx(0.5)
    assert violation(objective, {"macs": 1500, "parameters": 200, "latency_ms": 6.0}) == approx(0.5 + 1 + 2)
    assert ImageObjective().limits == {}
    assert objective.needs_latency and ImageObjective(latency_weight=1.0).needs_latency
    assert not ImageObjective(max_macs=1).needs_latency
    small = ImageObjective(max_memory_bytes=256_000, max_flash_bytes=1_000_000)
    assert small.limits == {"memory_bytes": 256_000, "flash_bytes": 1_000_000} and small.needs_measuring
    assert violation(small, {"memory_bytes": 384_000, "flash_bytes": 9}) == approx(0.5)


def test_rank_puts_limits_before_scores_and_the_unscored_last() -> None:
    """Within limits first, then the lesser excess, then the score; without a finite score last."""
    items = [
        Scored(ProposedCell(CELL, "good"), 0.5),
        Scored(ProposedCell(CELL, "poor"), 0.1),
        Scored(ProposedCell(CELL, "a little over"), 0.9, 0.1),
        Scored(ProposedCell(CELL, "far over"), 0.99, 0.2),
        Scored(ProposedCell(CELL, "diverged"), None),
    ]
    assert sorted(shuffled(1, "order", items), key=rank) == items

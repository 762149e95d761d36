"""Which candidates a growth keeps."""

from collections.abc import Mapping

import hypothesis
from hypothesis import strategies

from autoshrink.training.growth import Neuron, counts, select

ADDED = {"wide": 10, "narrow": 1}


def cost(added: Mapping[str, int]) -> int:
    """Return a cost that rises faster than each neuron's alone, as products of widths do."""
    return 100 + 10 * added.get("wide", 0) + added.get("narrow", 0) ** 2


def neurons(node: str, *gains: float) -> dict[Neuron, float]:
    """Return new neurons of a node with these gains."""
    return {Neuron(node, "new", index): gain for index, gain in enumerate(gains)}


def test_the_gain_counts_per_cost() -> None:
    """A tenth of the gain at less than a tenth of the cost goes first."""
    gains = {**neurons("wide", 5.0), **neurons("narrow", 0.6)}
    assert [neuron.node for neuron in select(gains, 2, ADDED, cost, 10_000)] == ["narrow", "wide"]


def test_what_is_predicted_to_harm_is_never_kept() -> None:
    """Nor what does nothing, however large the quota."""
    assert select(neurons("wide", -1.0, 0.0, float("nan"), 0.1), 4, ADDED, cost, 10_000) == [Neuron("wide", "new", 3)]


def test_equal_gains_are_kept_in_one_order() -> None:
    """Ties do not depend on the order of the mapping."""
    gains = neurons("wide", 1.0, 1.0, 1.0)
    backwards = dict(reversed(gains.items()))
    assert select(gains, 2, ADDED, cost, 10_000) == select(backwards, 2, ADDED, cost, 10_000)


def test_a_layer_counts_as_many_neurons_as_it_has_filters() -> None:
    """One that does not fit the quota that is left makes way for neurons that do."""
    gains = {Neuron("cell", "layer", 0): 9.0, Neuron("other", "layer", 0): 8.0, **neurons("narrow", 0.1, 0.2, 0.3)}
    added = {**ADDED, "cell": 2, "other": 2}
    kept = select(gains, 5, added, lambda _: 0, 10, {"cell": 3, "other": 3})
    assert kept == [Neuron("cell", "layer", 0), Neuron("narrow", "new", 2), Neuron("narrow", "new", 1)]


@hypothesis.given(
    strategies.lists(strategies.floats(-1, 1), max_size=12),
    strategies.lists(strategies.floats(-1, 1), max_size=12),
    strategies.integers(0, 24),
    strategies.integers(100, 300),
)
def test_quota_and_budget_hold_exactly(wide: list[float], narrow: list[float], quota: int, budget: int) -> None:
    """Never one too many, never over the budget; and where all fit, exactly the quota or all that help."""
    gains = {**neurons("wide", *wide), **neurons("narrow", *narrow)}
    kept = select(gains, quota, ADDED, cost, budget)
    assert len(kept) == len(set(kept)) <= quota
    assert cost(counts(kept)) <= budget
    unlimited = select(gains, quota, ADDED, cost, 10**9)
    assert len(unlimited) == min(quota, sum(gain > 0 for gain in gains.values()))

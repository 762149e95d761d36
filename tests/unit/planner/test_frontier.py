"""Dynamic programming over the frontier against trying every combination."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.planner.frontier import Factor, Solution, minimise


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[np.ndarray], list[Factor]]:
    """Return costs of a random graph of up to seven layers, in two settings."""
    count = draw(st.integers(1, 7))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    # few distinct values, so that ties happen
    nodes = [generator.integers(0, 5, (2, 3)).astype(float) for _ in range(count)]
    return nodes, [Factor(first, second, generator.integers(0, 5, (2, 3, 3)).astype(float)) for first, second in chosen]


def total(nodes: list[np.ndarray], factors: list[Factor], setting: int, choice: tuple[int, ...]) -> float:
    """Return what a choice costs."""
    cost = sum(node[setting, kind] for node, kind in zip(nodes, choice, strict=True))
    return float(cost + sum(f.costs_KST[setting, choice[f.first], choice[f.second]] for f in factors))


@given(problems())
@settings(max_examples=150, deadline=None)
def test_the_least_cost_is_that_of_trying_everything(problem: tuple[list[np.ndarray], list[Factor]]) -> None:
    nodes, factors = problem
    found = minimise(nodes, factors)
    assert found.exact
    for setting in range(2):
        everything = itertools.product(range(3), repeat=len(nodes))
        assert found.costs_K[setting] == min(total(nodes, factors, setting, choice) for choice in everything)
        assert found.costs_K[setting] == total(nodes, factors, setting, tuple(found.choices_KL[setting]))


@given(problems())
@settings(max_examples=100, deadline=None)
def test_a_wide_beam_finds_the_same_and_says_it_may_not_have(problem: tuple[list[np.ndarray], list[Factor]]) -> None:
    nodes, factors = problem
    beam = minimise(nodes, factors, exact_states=1)
    assert not beam.exact
    assert np.array_equal(beam.costs_K, minimise(nodes, factors).costs_K)
    for setting in range(2):
        assert beam.costs_K[setting] == total(nodes, factors, setting, tuple(beam.choices_KL[setting]))


def narrow(beam: int) -> Solution:
    """Return what a beam finds where the first layer's cheap choice is dear in the end."""
    nodes = [np.array([[0.0, 1.0, 1.0]]), np.array([[0.0, 0.0, 0.0]])]
    dear_later = np.array([[[9.0, 9.0, 9.0], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]])
    return minimise(nodes, [Factor(0, 1, dear_later)], exact_states=1, beam=beam)


@pytest.mark.parametrize(("beam", "cost"), [(1, 9.0), (2, 1.0)])
def test_a_beam_that_is_too_narrow_misses_the_cheapest(beam: int, cost: float) -> None:
    assert narrow(beam).costs_K.tolist() == [cost]

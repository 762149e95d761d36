"""The verdict's statistics agree with their definitions, and its sentences say plainly who wins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.errors import DataError
from autoshrink.evidence import sufficiency, wording
from autoshrink.params.base import Task
from autoshrink.tasks.spec import spec_of
from tests.unit.evidence.made_verdict import judged, shares


def test_one_seed_is_judged_image_by_image() -> None:
    """McNemar's exact test: 12 images that only the found network reads, 2 that only the other does."""
    found, other = shares(1000, 900, 900)
    found[0, 900:912], found[0, :2] = 1, 0
    comparison = judged(Task.CNN, [found, other]).comparisons[0]
    expected = 2 * sum(math.comb(14, wins) for wins in range(12, 15)) / 2**14
    assert comparison.p == pytest.approx(expected)
    assert comparison.p_adjusted == comparison.p
    assert comparison.outcome == "beats"
    assert comparison.difference.mean == pytest.approx(0.010)


def test_losing_is_said_as_plainly_as_winning() -> None:
    """By how much, with which interval, and at what cost."""
    result = judged(Task.CNN, shares(1000, 900, 950, 899, 800), [1000, 1020, 1000, 500])
    told = wording.sentences(result)
    assert [item.outcome for item in result.comparisons] == ["loses to", "ties with", "beats"]
    assert told[0].startswith("cnn shrink-0: the found network loses to reference-1: 90.0 % against 95.0 %, 5.0 ")
    assert "points lower accuracy (95 %: -" in told[0]
    assert told[0].endswith("at 0.98 x its MACs and 0.98 x its parameters")
    assert "ties with reference-2" in told[1]
    assert told[2].endswith("(not at equal cost: no width of reference-3 is nearer)")


def test_several_references_are_corrected_for() -> None:
    """A difference of p = 0.03 is none among three (Holm)."""
    found, other = shares(200, 100, 100)
    found[0, 100:110], found[0, :2] = 1, 0
    alone = judged(Task.CNN, [found, other]).comparisons[0]
    among = judged(Task.CNN, [found, other, other, other]).comparisons[0]
    assert alone.outcome == "beats"
    assert among.p == alone.p
    assert among.p_adjusted == pytest.approx(3 * alone.p)
    assert among.outcome == "ties with"


def test_several_seeds_are_paired() -> None:
    """The means of each seed's trainings are compared, seed by seed."""
    rng = np.random.default_rng(0)
    base_S1 = rng.uniform(0.5, 0.7, (4, 1))
    found_SE = (np.linspace(0, 1, 500)[None] < base_S1 + np.array([[0.020], [0.022], [0.018], [0.020]])).astype(
        np.float32
    )
    other_SE = (np.linspace(0, 1, 500)[None] < base_S1).astype(np.float32)
    result = judged(Task.CNN, [found_SE, other_SE])
    assert result.seeds == 4
    assert result.comparisons[0].test == "paired t-test over seeds"
    assert result.comparisons[0].pairs == 4
    assert result.comparisons[0].outcome == "beats"
    low, high = result.found.quality.low, result.found.quality.high
    assert low < result.found.quality.mean < high


def test_perplexities_are_compared_by_their_ratio() -> None:
    """Words of a text count in hundreds; a perplexity 5 % lower is said so."""
    other_SE = np.random.default_rng(1).normal(-4.0, 1.0, (1, 20_000)).astype(np.float32)
    found_SE = other_SE - np.float32(math.log(0.95))
    result = judged(Task.RNN, [found_SE, other_SE])
    comparison = result.comparisons[0]
    assert comparison.pairs == 200
    assert comparison.difference.mean == pytest.approx(0.05, abs=1e-4)
    assert result.found.quality.mean == pytest.approx(math.exp(-float(found_SE.astype(np.float64).mean())))
    assert result.found.quality.low < result.found.quality.mean < result.found.quality.high
    assert "5.0 % lower perplexity (" in wording.sentence(result, comparison)


@given(right=st.integers(0, 60), examples=st.integers(60, 200))
def test_the_same_answers_tie(right: int, examples: int) -> None:
    """A network never beats or loses to one with the same answers, and its interval holds its mean."""
    result = judged(Task.CNN, shares(examples, right, right))
    assert result.comparisons[0].outcome == "ties with"
    assert result.comparisons[0].p == 1.0
    quality = result.found.quality
    assert quality.low <= quality.mean + 1e-12
    assert quality.mean <= quality.high + 1e-12


def test_too_few_examples_are_refused_with_how_many_it_takes() -> None:
    """With three references at 95 %, seven images that all differ are the least that can tell; eight hundred words of
    a text."""
    spec = spec_of(Task.CNN)
    sufficiency.require_examples(spec, 7, 3, 0.95, "data")
    with pytest.raises(DataError, match=r"6 images, too few .* it takes at least 7"):
        sufficiency.require_examples(spec, 6, 3, 0.95, "data")
    with pytest.raises(DataError, match=r"600 words, too few .* at least 700"):
        sufficiency.require_examples(spec_of(Task.RNN), 600, 3, 0.95, "data")
    sufficiency.require_examples(spec, 1, 0, 0.95, "data")
    # the bound is the test's own: with that many and one fewer, all different
    assert judged(Task.CNN, shares(7, 7, 0, 0, 0)).comparisons[0].outcome == "beats"


def test_a_table_has_a_row_per_network() -> None:
    """The found one first, with latencies where they were measured."""
    result = judged(Task.CNN, shares(1000, 900, 950))
    heading, rows = wording.table(result, {"found": 1.5, "reference-1": 2.25})
    assert [row[0] for row in rows] == ["found cell", "reference-1"]
    assert rows[1][heading.index("latency, 1 thread")] == "2.25 ms"
    assert rows[1][-1] == "loses to it (p < 0.001)"
    assert len(wording.table(result)[0]) == len(heading) - 1

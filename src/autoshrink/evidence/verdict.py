"""The verdict: whether a found network beats each reference, by paired tests on the test split.

With several seeds, networks are compared training by training under the same seeds. With one, example by example:
McNemar's exact test where each is right or wrong; Student's paired test over observations of neighbouring examples
where each has a probability.

Shapes: S seeds, E examples, O observations.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from autoshrink.errors import DataError
from autoshrink.evidence import sufficiency
from autoshrink.params.root import Parameters
from autoshrink.records.reference import NetworkTest
from autoshrink.records.verdict import FOUND, Comparison, Interval, Judged, Outcome, Verdict
from autoshrink.search.rounds import SearchName
from autoshrink.study import statistics
from autoshrink.tasks.spec import AnyTask, Metric, spec_of

Outcomes = NDArray[np.float32]


def judge(
    name: SearchName,
    parameters: Parameters,
    tests: Sequence[NetworkTest],
    outcomes: Sequence[Outcomes],
) -> Verdict:
    """Return the verdict on the networks of ``tests``, the found one first.

    ``outcomes`` (S, E) are how good each is at each test example, as the task's description gives them. Raises
    DataError where they are of other trainings, or of too few examples for any difference to be seen.
    """
    spec = spec_of(name.task)
    confidence = parameters.evidence.confidence
    found, references = tests[0], tests[1:]
    assert found.name == FOUND, "the found network comes first"
    for test, values_SE in zip(tests, outcomes, strict=True):
        if values_SE.shape != (len(found.results), found.examples) or test.dataset != found.dataset:
            raise DataError(
                f"{name.task}/{name}: {test.name} was tested on {values_SE.shape} trainings and examples, the found "
                f"network on {(len(found.results), found.examples)}; run again"
            )
    if len(found.results) == 1:
        sufficiency.require_examples(spec, found.examples, len(references), confidence, f"{name.task}/{name}")
    compared = [_compared(spec, outcomes[0], other_SE, confidence) for other_SE in outcomes[1:]]
    adjusted = statistics.holm([p for *_, p in compared])
    return Verdict(
        task=name.task,
        search=str(name),
        dataset=found.dataset,
        metric=spec.metric.test,
        cost=spec.references(parameters).cost,
        tolerance=spec.references(parameters).tolerance,
        examples=found.examples,
        seeds=len(found.results),
        confidence=confidence,
        networks=tuple(
            Judged(
                name=test.name,
                quality=quality(spec, values_SE, confidence),
                values=tuple(metric_of(spec.metric, float(mean)) for mean in _means(values_SE)),
                costs=test.costs,
                learning_rate=test.learning_rate,
            )
            for test, values_SE in zip(tests, outcomes, strict=True)
        ),
        comparisons=tuple(
            Comparison(
                reference=test.name,
                outcome=_outcome(difference, p_adjusted, confidence),
                difference=_relative(spec.metric, difference),
                test=words,
                pairs=pairs,
                p=p,
                p_adjusted=p_adjusted,
                cost_ratios=_ratios(found.costs, test.costs),
            )
            for test, (words, pairs, difference, p), p_adjusted in zip(references, compared, adjusted, strict=True)
        ),
    )


def metric_of(metric: Metric, mean: float) -> float:
    """Return the test metric that a mean outcome is."""
    if metric.is_perplexity:
        return math.exp(-mean)
    return mean if metric.higher_is_better else 1.0 - mean


def quality(spec: AnyTask, values_SE: Outcomes, confidence: float) -> Interval:
    """Return the metric's mean and interval: over seeds, or of one training over test examples (Wilson's for a share).

    A perplexity's mean is the geometric one.
    """
    means_S = _means(values_SE)
    if len(means_S) > 1:
        bounds = _interval(means_S, confidence)
    elif spec.metric.is_perplexity:
        bounds = _interval(_observations(values_SE[0], spec.observation), confidence)
        bounds = (float(means_S[0]), bounds[1] + means_S[0] - bounds[0], bounds[2] + means_S[0] - bounds[0])
    else:
        count = len(values_SE[0])
        share = stats.binomtest(round(means_S[0] * count), count).proportion_ci(confidence, method="wilson")
        bounds = (float(means_S[0]), float(share.low), float(share.high))
    mean, *ends = (metric_of(spec.metric, float(value)) for value in bounds)
    return Interval(mean=mean, low=min(ends), high=max(ends))


def _compared(
    spec: AnyTask, found_SE: Outcomes, other_SE: Outcomes, confidence: float
) -> tuple[str, int, tuple[float, float, float], float]:
    """Return the test in words, its pairs, by how much the found one's mean outcome is better, and the p-value."""
    if len(found_SE) > 1:
        differences = _means(found_SE) - _means(other_SE)
        words = "paired t-test over seeds"
        p = _paired_t(differences)
    elif spec.metric.is_perplexity:
        differences = _observations(found_SE[0] - other_SE[0], spec.observation)
        words = f"paired t-test over each {spec.observation} {spec.unit}s"
        p = _paired_t(differences)
    else:
        differences = found_SE[0].astype(np.float64) - other_SE[0]
        words = f"McNemar's exact test over {spec.unit}s"
        wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
        p = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return words, len(differences), _interval(differences, confidence), p


def _paired_t(differences: NDArray[np.float64]) -> float:
    if not np.any(differences):
        return 1.0
    if np.ptp(differences) < 1e-15:  # nothing to estimate a deviation from
        return 0.0 if len(differences) > 1 else 1.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    """Return mean and Student's interval; one value has no width."""
    found = statistics.interval(values.tolist(), confidence)
    assert found.mean is not None, "there is a value"
    return found.mean, found.mean if found.low is None else found.low, found.mean if found.high is None else found.high


def _means(values_SE: Outcomes) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values_SE.astype(np.float64).mean(axis=1)
    return means


def _observations(values_E: Outcomes, size: int) -> NDArray[np.float64]:
    """Return the means of neighbouring examples (O); a rest that fills no observation is left out."""
    size = min(size, max(1, len(values_E) // 2))
    count = len(values_E) // size
    means_O: NDArray[np.float64] = values_E[: count * size].astype(np.float64).reshape(count, size).mean(axis=1)
    return means_O


def _relative(metric: Metric, difference: tuple[float, float, float]) -> Interval:
    """Return a difference of mean outcomes as people read it: of shares in points, of perplexities as a share."""
    mean, low, high = (1.0 - math.exp(-value) if metric.is_perplexity else value for value in difference)
    return Interval(mean=mean, low=low, high=high)


def _outcome(difference: tuple[float, float, float], p: float, confidence: float) -> Outcome:
    if p > 1.0 - confidence or difference[0] == 0.0:
        return "ties with"
    return "beats" if difference[0] > 0 else "loses to"


def _ratios(found: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {key: value / other[key] for key, value in found.items() if other.get(key)}

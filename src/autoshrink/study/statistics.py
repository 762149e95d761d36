"""Confidence intervals of a mean, paired tests and rank correlation."""

import math
from collections.abc import Sequence

import numpy as np

from autoshrink.records.study import Interval, Paired, RankCorrelation


def mean(values: Sequence[float]) -> float:
    """Return the mean of one value or more."""
    return float(np.mean(values))


def interval(values: Sequence[float], confidence: float) -> Interval:
    """Return mean, standard deviation and Student's confidence interval of the mean; None where one value gives
    none."""
    count, middle = len(values), mean(values)
    if count < 2:
        return Interval(mean=middle)
    from scipy import stats

    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, count - 1)) * deviation / math.sqrt(count)
    return Interval(mean=middle, deviation=deviation, low=middle - half, high=middle + half)


def paired(first: Sequence[float], second: Sequence[float], confidence: float) -> Paired:
    """Return how ``second`` differs from ``first``, pair by pair. Values that do not differ at all have p = 1."""
    from scipy import stats

    differences = np.subtract(second, first)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    if not wins and not losses:
        t = wilcoxon = 1.0
    else:
        # differences that are all the same leave Student nothing to estimate a deviation from
        t = float(stats.ttest_rel(second, first).pvalue) if spread > 1e-15 else 0.0
        wilcoxon = float(stats.wilcoxon(differences, zero_method="wilcox").pvalue)
    return Paired(
        pairs=len(differences),
        difference=interval(differences.tolist(), confidence),
        wins=wins,
        losses=losses,
        t=t,
        wilcoxon=wilcoxon,
    )


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing them together (S. Holm, 1979)."""
    adjusted = [0.0] * len(values)
    running = 0.0
    for position, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - position) * values[index]))
        adjusted[index] = running
    return adjusted


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """Return Spearman's and Kendall's rank correlation with p-values, None where fewer than 3 pairs or no spread."""
    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy import stats

    spearman, kendall = stats.spearmanr(first, second), stats.kendalltau(first, second)
    return RankCorrelation(
        pairs=len(first),
        spearman=float(spearman.statistic),
        spearman_p=float(spearman.pvalue),
        kendall=float(kendall.statistic),
        kendall_p=float(kendall.pvalue),
    )

"""A study: strategies compared at equal cost, over seeds."""

from typing import ClassVar

from autoshrink.records.record import Count, Many, Number, Record, SealedRecord, TaskName


class Interval(Record):
    """A mean with its standard deviation and confidence interval; None where too few values give none."""

    mean: Number | None
    deviation: Number | None = None
    low: Number | None = None
    high: Number | None = None


class Paired(Record):
    """How a second sample differs from a first, pair by pair; p-values are two-sided."""

    pairs: Count
    difference: Interval
    wins: Count
    """Pairs whose second value is the greater."""
    losses: Count
    t: Number
    """p of Student's paired t-test."""
    wilcoxon: Number
    """p of the signed-rank test."""


class RankCorrelation(Record):
    """Spearman's and Kendall's rank correlation with their p-values."""

    pairs: Count
    spearman: Number
    spearman_p: Number
    kendall: Number
    kendall_p: Number


class AtBudget(Interval):
    """A strategy's best scores at a share of the full budget."""

    share: Number
    searches: Count
    """Those that had an answer by then."""


class CurvePoint(Interval):
    """The best scores after a number of candidate-epochs."""

    epochs: Number


class StrategyResult(Record):
    """What a strategy's searches came to."""

    name: str
    seeds: Many[Count]
    answers: Many[Number | None]
    """By seed; None where a search found nothing."""
    epochs: Number
    """Candidate-epochs of a search, the mean."""
    trained: Number
    """Candidates trained in full, the mean."""
    budgets: Many[AtBudget]
    answer: Interval
    quality: Interval | None
    """Of the final models; None where none was trained."""
    curve: Many[CurvePoint]


class StrategyTest(Paired):
    """A strategy against the reference; adjusted p-values are Holm's over the strategies."""

    strategy: str
    t_adjusted: Number
    wilcoxon_adjusted: Number


class BudgetTests(Record):
    """All strategies against the reference at a share of the full budget."""

    share: Number
    budget: Number
    """Candidate-epochs."""
    against: Many[StrategyTest]


class Comparison(SealedRecord):
    """The comparison of several strategies."""

    KIND: ClassVar = "study"

    task: TaskName
    source: str
    """Where the evaluations come from, in words."""
    reference: str
    """The strategy that the others are tested against."""
    full_budget: Count
    """Candidate-epochs of the reference's costliest search."""
    confidence: Number
    strategies: Many[StrategyResult]
    tests: Many[BudgetTests]
    quality: str
    """What the final models' quality is called."""
    correlation: RankCorrelation | None
    """Of the answers' scores and the final models' quality, positive where they agree."""

"""Whether a found network beats what it was compared with."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from autoshrink.records.record import Count, Many, Number, Numbers, Record, SearchRecord

FOUND = "found"
"""The found network's name among those of references."""

Outcome = Literal["beats", "ties with", "loses to"]


class Interval(Record):
    """A mean, and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


class Judged(Record):
    """A network, its test quality over all seeds, and its costs."""

    name: str
    quality: Interval
    """The task's test metric."""
    values: Many[float]
    """The same of each training."""
    costs: Numbers
    learning_rate: float


class Comparison(Record):
    """The found network against a reference."""

    reference: str
    outcome: Outcome
    difference: Interval
    """How much better the found one is: in the metric where it is a share, such as accuracy; else as a share of the
    reference's, such as 0.03 for a perplexity 3 % lower. Negative where it is worse."""
    test: str
    """The paired test, in words."""
    pairs: Count
    p: Annotated[float, Field(ge=0, le=1)]
    p_adjusted: Annotated[float, Field(ge=0, le=1)]
    """Adjusted for testing all references together (S. Holm, 1979)."""
    cost_ratios: Numbers
    """The found network's costs as shares of the reference's."""


class Verdict(SearchRecord):
    """The answer to whether the search was worth it."""

    KIND: ClassVar = "verdict"

    dataset: str
    metric: str
    """The test metric that was compared."""
    cost: str
    """What references were scaled to ..."""
    tolerance: Number
    """... and how near is equal, as a share of it."""
    examples: Count
    seeds: Count
    confidence: Number
    networks: Many[Judged]
    """The found one first, then the references as they were asked for."""
    comparisons: Many[Comparison]

    @property
    def found(self) -> Judged:
        """The found network."""
        return self.networks[0]

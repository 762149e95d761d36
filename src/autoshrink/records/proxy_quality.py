"""How well the proxy ranks cells: proxy and final quality of the same cells, and how their ranks go together."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, JsonValue

from autoshrink.records.record import Count, Many, Number, Record, SealedRecord, Sha256, TaskName


class FinalQuality(SealedRecord):
    """What the full recipe makes of a cell on held-out training data; kept in the store under ``key``."""

    KIND: ClassVar = "final-quality"

    key: Sha256
    """Digest of ``identity``."""
    identity: Mapping[str, JsonValue]
    quality: Number | None
    """The task's metric on the data held out from training, at the epoch whose weights were kept."""
    epochs: Count


class JudgedCell(Record):
    """One cell, as the proxy and as the full training see it."""

    key: str
    edges: Count
    qualities: Many[Number | None]
    """The task's metric on the proxy, under the run's own seed first, then under those of the repeats."""
    score: Number | None
    """What a search would have seen: quality weighed against costs, under the run's own seed."""
    final: Number | None
    costs: Mapping[str, Number]
    """Of the proxy network."""


class Correlation(Record):
    """A rank correlation with its bootstrap interval, cells resampled."""

    value: Number
    low: Number
    high: Number


class Agreement(Record):
    """How one ranking of the cells agrees with the final quality; positive where the better proxy is better."""

    name: str
    kendall: Correlation
    """Kendall's tau-b."""
    spearman: Correlation
    """Spearman's rho."""


class ProxyQuality(SealedRecord):
    """Rank correlations of proxy and final quality over random cells of the search space."""

    KIND: ClassVar = "proxy-quality"

    task: TaskName
    metric: str
    seed: int
    proxy: Mapping[str, JsonValue]
    """The proxy's recipe."""
    training: Mapping[str, JsonValue]
    """The full recipe."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    deviation: Number | None
    """Standard deviation of a cell's proxy quality under several seeds, pooled over cells."""
    agreements: Many[Agreement]
    cells: Many[JudgedCell]

"""The final model's metrics on the test split, and its costs beside the complete cell's."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import JsonValue

from autoshrink.records.record import CellField, Count, Metrics, Number, Numbers, Record, SearchRecord


class ProxyFacts(Record):
    """What the search knew of the cell: its score, metrics and costs on the proxy."""

    score: Number
    metrics: Metrics
    costs: Numbers


class FinalMetrics(SearchRecord):
    """The final test of a search's answer."""

    KIND: ClassVar = "metrics"

    seed: int
    seed_name: str
    """Root seed and search in one label."""
    dataset: str
    round: Count
    """The round that found the cell."""
    cell: CellField
    key: str
    proxy: ProxyFacts
    metrics: Metrics
    """On the test split; of a language model also the perplexity of the validation split and of word frequencies."""
    costs: Numbers
    """Of the final network, for one image or word."""
    complete_costs: Numbers
    """Of the same network around the complete cell."""


class TestDetails(SearchRecord):
    """What of the final test only the report's page shows: per class, or by example; each task has its own."""

    __test__ = False  # no test of pytest's
    KIND: ClassVar = "test-details"

    details: Mapping[str, JsonValue]

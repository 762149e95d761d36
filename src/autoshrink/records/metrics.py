"""The final model's metrics on the test split, and its costs beside the complete cell's."""

from typing import Annotated, ClassVar

from pydantic import Field

from autoshrink.records.predictions import Predictions
from autoshrink.records.record import (
    CellField,
    Count,
    Metrics,
    Number,
    Numbers,
    Record,
    SealedRecord,
    SearchRecord,
    Sha256,
    TaskName,
    optional,
)


class ProxyFacts(Record):
    """What the search knew of the cell: its score, metrics and costs on the proxy."""

    score: Number
    metrics: Metrics
    costs: Numbers


class KeptBudget(Record):
    """The budget of the search that found the network, and how far below its limits the network stays."""

    limits: Numbers
    margins: Numbers
    """By the limits' names, each as a share of its limit."""


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
    """Of the recipe's network around the complete cell; within a budget that is not scaled to it."""
    budget: Annotated[KeptBudget | None, Field(exclude_if=optional)] = None


class ModelMetrics(SealedRecord):
    """The final test of a model that was trained by itself, in no search."""

    KIND: ClassVar = "model-metrics"

    task: TaskName
    seed: int
    dataset: str
    key: str
    """The cell's."""
    weights_sha256: Sha256
    """Of the weights that were tested."""
    metrics: Metrics
    """On the test split; of a language model also the perplexity of the validation split and of word frequencies."""
    costs: Numbers
    """Of the network, for one image or word."""
    complete_costs: Numbers
    """Of the same network around the complete cell of its operators."""


class TestDetails(SearchRecord):
    """What of the final test only the report's page shows."""

    __test__ = False  # no test of pytest's
    KIND: ClassVar = "test-details"

    details: Predictions

"""What the page's code in the browser reads: frozen types whose fields are the keys of its JSON."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field

from autoshrink.cells.drawing import Description
from autoshrink.files.artifacts import Json
from autoshrink.records.metrics import FinalMetrics
from autoshrink.records.predictions import ImageSample, TextSample
from autoshrink.records.record import Many, Metrics, Number, Numbers, Record, optional

Columns = Mapping[str, Many[Number | bool | None]]
"""A history by column, one value per epoch."""

Whisker = Annotated[Number | None, Field(exclude_if=optional)]


class Point(Record):
    """One candidate in the charts of its search."""

    search: str
    id: str
    round: int
    origin: str
    edges: int
    score: Number | None
    """None, as the metric, of a candidate that was not trained in full: there is nothing to compare."""
    metric: Number | None
    cost: Number
    front: bool
    """Whether it is on the Pareto front."""
    kept: bool
    """Whether its round went on from it."""
    best: bool
    """Whether it is the search's answer."""
    score_low: Whisker = None
    """One standard deviation of a cell over seeds below the score; None, as the others, where nobody measured it."""
    score_high: Whisker = None
    metric_low: Whisker = None
    metric_high: Whisker = None


class CellView(Record):
    """A cell; an edge is ``0-2``."""

    nodes: Many[int]
    operators: Many[str]
    edges: Many[str]


class CandidateView(Record):
    """One candidate with its evaluation."""

    id: str
    cell: CellView
    origin: str
    removed: Many[str]
    score: Number | None
    metric: Number | None
    cost: Number
    costs: Numbers
    stop: str | None
    """Why its training ended early."""
    fidelity: str | None
    """How it was judged, in words, where that was less than a full training."""
    others: Metrics
    """What else its evaluation found."""
    over: bool
    """Whether it exceeds a limit."""
    history: Columns
    best_epoch: Number | None
    key: str
    evaluation: str
    digest: str
    seed: str
    """63 bits, more than a JavaScript number holds."""
    data: str
    evaluator: int | str
    seconds: Number | None
    reused: bool


class RoundView(Record):
    """A finished round."""

    number: int
    cell: CellView
    stopped: str | None
    taken: int | None
    fell: Many[str]
    candidates: Many[CandidateView]


class FinalistView(Record):
    """A finalist; ``first`` is its score in its round."""

    id: str
    round: int
    key: str
    network: str
    """What the network around it has other than the recipes', in words."""
    first: Number
    scores: Many[Number | None]
    mean: Number | None
    error: Number | None
    quality: Number | None
    macs: Number
    chosen: bool


class FinalsView(Record):
    """The finalists, the best mean first, and the noise that they measured."""

    rule: str
    seeds: int
    epochs: int | None
    recipe: str
    """``proxy`` or ``final``."""
    deviation: Number | None
    quality_deviation: Number | None
    rows: Many[FinalistView]


class NodeWidth(Record):
    """A field of the chart of widths: a node after a growth."""

    growth: int
    node: str
    width: int


class GrowthGain(Record):
    """A bar of the chart of a growth's gains, nats."""

    growth: int
    kind: Literal["predicted", "real"]
    gain: float


class GrowthsView(Record):
    """How the final network grew while it was trained."""

    widths: Many[NodeWidth]
    widths_chart: Json
    gains: Many[GrowthGain]
    gains_chart: Json
    said: str
    """How well predictions rank the growths, and what layers were added."""


class TrainingView(Record):
    """The final training: its history and its charts."""

    history: Columns
    chart: Json
    quality: Json | None
    growths: GrowthsView | None = None


class ClassAccuracy(Record):
    """A bar of the chart of accuracy by class."""

    name: str
    images: int
    accuracy: float


class ConfusionShare(Record):
    """A field of the confusion matrix; ``share`` is of the true class's images."""

    truth: str
    predicted: str
    images: int
    share: float


class ImagesView(Record):
    """A classifier on the test split."""

    kind: Literal["images"] = "images"
    samples: Many[ImageSample]
    mistakes: Many[ImageSample]
    accuracy: Many[ClassAccuracy]
    """The hardest class first; of many classes only the hardest."""
    classes: int
    """Classes with test images."""
    accuracy_chart: Json
    confused: Many[tuple[str, str, int, int]]
    """The most frequent confusions: true class, predicted class, images, images of the true class."""
    confusion: Many[ConfusionShare] | None = None
    """None where there are too many classes for a matrix."""
    confusion_chart: Json | None = None


class TextView(Record):
    """A language model on the test split."""

    kind: Literal["text"] = "text"
    samples: Many[TextSample]


class FinalView(Record):
    """The final test."""

    seed_name: str
    metrics: Metrics
    costs: Numbers
    complete_costs: Numbers

    @classmethod
    def of(cls, found: FinalMetrics) -> Self:
        """Return what the page shows of it."""
        return cls(
            seed_name=found.seed_name,
            metrics=found.metrics,
            costs=found.costs,
            complete_costs=found.complete_costs,
        )


class SearchView(Record):
    """A search."""

    task: str
    name: str
    size: int
    rounds: Many[RoundView]
    best: tuple[int, int]
    """Round and slot."""
    charts: str
    """Which of the page's charts are its."""
    points: Many[Point]
    hours: Number | None
    """Device-hours."""
    finals: FinalsView | None
    metrics: FinalView | None
    training: TrainingView | None
    tested: ImagesView | TextView | None


class ReportedView(Record):
    """A number of the final test: its key, how it is called, and whether it is a perplexity or a share."""

    key: str
    title: str
    heading: str
    perplexity: bool


class TaskView(Record):
    """A task; ``perplexity``: its metric is one, else a share."""

    title: str
    metric: str
    cost: str
    perplexity: bool
    reported: Many[ReportedView]
    """The metric that networks are judged by first."""
    comparison: Json
    """The chart that lays two runs over each other."""


class PageView(Record):
    """All that the page's code knows."""

    names: Many[str]
    """This run's and, where the page compares, the other's."""
    drawing: Description
    tasks: Mapping[str, TaskView]
    charts: Mapping[str, Mapping[str, Json]]
    """By kind of search, then by chart."""
    searches: Many[SearchView]
    other: Many[SearchView]

"""The description of a task. The rest of the project asks it and names no task.

A task's module holds its ``TaskSpec`` as ``SPEC`` and stands on one line of ``params.base.Task``. The description is
light: whatever needs torch is imported inside the method that needs it, so that the light verbs stay light.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import Cell
from autoshrink.params.base import Section, Task
from autoshrink.params.objective import Costs
from autoshrink.params.search import TaskSearch
from autoshrink.params.sections import Dataset, TaskProxy, TaskReferences, TaskSections, TaskTraining
from autoshrink.records.manifest import Manifest
from autoshrink.records.model import ModelDescription
from autoshrink.records.predictions import NoPredictions, Predictions
from autoshrink.training.events import Progress

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from autoshrink.params import Parameters
    from autoshrink.params.root import Compute
    from autoshrink.records.evaluation import EpochEntry, TrialResult
    from autoshrink.tasks.deployment import AnyDeployment

Counts = dict[str, int]


class ProxyTrial(Protocol):
    """One candidate's training on the proxy, as the evaluation engine drives it."""

    @property
    def done(self) -> bool:
        """Whether there is no further epoch."""
        ...

    def run_epoch(self) -> "EpochEntry":
        """Run a whole epoch and return its record."""
        ...

    def begin_epoch(self) -> list[tuple[str, int]]:
        """Set an epoch up and return its steps."""
        ...

    def run(self, step: tuple[str, int]) -> None:
        """Launch a step; equal steps launch the same kernels on the same memory."""
        ...

    def end_epoch(self) -> "EpochEntry":
        """Wait for the steps and return the epoch's record."""
        ...

    def result(self) -> "TrialResult":
        """Return what the candidate came to."""
        ...


@dataclass(frozen=True)
class Metric:
    """What a task's networks are judged by."""

    name: str
    """Its key among an evaluation's ``metrics``."""
    test: str
    """Its key among the final model's test metrics."""
    higher_is_better: bool
    is_perplexity: bool = False
    """Whether it is e to the mean of what each example costs in nats; else it is the share of examples that are right,
    or wrong."""

    @property
    def proxy_title(self) -> str:
        """What the metric is called where candidates are judged by it."""
        return f"validation {self.name}"

    @property
    def test_title(self) -> str:
        """What the metric is called of a final model."""
        return f"test {self.name}"


@dataclass(frozen=True)
class ReportedMetric:
    """A number of the final test as tables, the page and model cards show it."""

    key: str
    """Its key among the final model's test metrics."""
    column: str
    """Its column of ``metrics.csv``, and its key among the published qualities of a known network."""
    heading: str
    """Its column's heading in tables."""
    title: str
    """What it is called where it stands alone."""
    is_perplexity: bool = False
    """Whether it is a perplexity; else a share, shown in percent."""


@dataclass(frozen=True)
class Workload:
    """What a task's steps may need of a CPU core, estimated from the parameters alone; generous, to schedule by."""

    proxy_minutes: float
    """One candidate on the proxy."""
    proxy_megabytes: int
    """Torch itself, data, and the activations kept for backward."""
    training_minutes: float
    """The final training."""
    loaders: int = 0
    """Processes that read and decode for each process of the final training."""


@dataclass(frozen=True)
class Tested:
    """What a final model is worth on the test split."""

    metrics: Mapping[str, float | None]
    predictions: Predictions = field(default_factory=NoPredictions)
    """For people to look at."""


Prepared = TypeVar("Prepared")
Drawn = TypeVar("Drawn")
Proxy = TypeVar("Proxy", bound=TaskProxy)
Training = TypeVar("Training", bound=TaskTraining)
Network = TypeVar("Network", bound=Section)


@dataclass(frozen=True)
class TaskSpec(ABC, Generic[Prepared, Drawn, Proxy, Training, Network]):
    """A task: its facts as fields, its work as methods.

    ``Prepared`` is its prepared data set, ``Drawn`` the data of its proxy; ``Proxy``, ``Training`` and ``Network`` are
    sections of its parameters.
    """

    task: Task
    title: str
    """What it does, as a heading."""
    unit: str
    """One example, singular: what costs are counted for."""
    metric: Metric
    reported: tuple[ReportedMetric, ...]
    """What the final test measures, ``metric.test`` among it; each has a column in the report's tables."""
    macs: str
    """What multiply-accumulates are called on axes and in tables, such as ``MACs per token``."""
    operators: tuple[str, ...]
    """Every operator that a cell of this task may carry."""
    sections: TaskSections
    model: type[ModelDescription]
    """What the ``model.json`` of its trained models holds."""
    manifest: type[Manifest]
    """What the manifest of its prepared data sets holds."""
    training_draws: tuple[str, ...]
    """Names of the random draws of the final training, for its lineage record."""
    released: str | None = None
    """The released cell whose network the cells of this task are counted in by ``cost --preset paper``."""
    benchmark: str = ""
    """The data set that published results, and that cell's, are on."""
    caveat: str = ""
    """What the user of a trained model must mind, for its model card."""
    observation: int = 1
    """Neighbouring test examples that paired tests take as one: words of a text depend on each other."""
    runs_without_edges: bool = False
    """Whether a network can be built from a cell without any edge."""

    def offered_operators(self) -> Mapping[str, str]:
        """Return the operators that other installed packages offer for this task's cells, by name: where each one's
        code stands (``package.module:name``)."""
        return {}

    def search(self, parameters: "Parameters") -> TaskSearch:
        """Return the task's section of ``search``."""
        section = getattr(parameters.search, self.task)
        assert isinstance(section, self.sections.search)
        return section

    def stages(self, parameters: "Parameters") -> int:
        """Return how many cells a candidate has: 1, or one for each stage of its network."""
        return 1

    def proxy(self, parameters: "Parameters") -> Proxy:
        """Return the task's section of ``proxy``."""
        section: Proxy = getattr(parameters.proxy, self.task)
        return section

    def training(self, parameters: "Parameters") -> Training:
        """Return the task's section of ``training``."""
        section: Training = getattr(parameters.training, self.task)
        return section

    def references(self, parameters: "Parameters") -> TaskReferences:
        """Return the task's section of ``references``."""
        section = getattr(parameters.references, self.task)
        assert isinstance(section, self.sections.references)
        return section

    def recipe_in_words(self, parameters: "Parameters") -> str:
        """Return what the kind of data chooses in the full recipe, in words; "" where it chooses nothing."""
        return ""

    # data

    @abstractmethod
    def locate(self, name: str, entry: Dataset) -> str:
        """Return where a data set's raw material is, in words. Raises DataError where it is missing."""

    @abstractmethod
    def prepare(self, name: str, entry: Dataset, folder: Path, downloads: Path, seed: int) -> None:
        """Prepare a data set in ``folder``: its files first, the manifest that holds their digests last.

        Raises DataError, in one line, where the raw data is missing, damaged or too small.
        """

    @abstractmethod
    def load(self, folder: Path) -> Prepared:
        """Return a prepared data set. Raises ArtifactError where there is none, or one of another task."""

    @abstractmethod
    def shortages(self, parameters: "Parameters", name: str, manifest: Manifest) -> Iterator[str]:
        """Yield what the prepared data set ``name`` has too little of for the recipes that name it, a line each."""

    def contradictions(self, parameters: "Parameters") -> Iterator[str]:
        """Yield what the recipes ask of their data sets that those, by their settings alone, cannot give."""
        yield from ()

    def side_inputs(self, recipe: Proxy | Training) -> Mapping[str, str]:
        """Return the files beside the data set that a recipe reads, by their keys below the recipe's."""
        return {}

    # the search

    @abstractmethod
    def draw(self, data: Prepared, parameters: "Parameters") -> Drawn:
        """Draw the proxy's training and validation data. Raises DataError where there is too little."""

    def to_device(self, data: Drawn, device: "torch.device") -> Drawn:
        """Return the proxy's data where candidates on ``device`` read it."""
        return data

    @abstractmethod
    def trial(
        self, cell: Cell, proxy: Proxy, data: Drawn, seed: int, device: "torch.device", deterministic: bool
    ) -> ProxyTrial:
        """Return a candidate's training before its first epoch. ``seed`` is its own. Safe to pickle by reference."""

    @abstractmethod
    def proxy_network(self, cell: Cell, proxy: Proxy, data: Drawn) -> "tuple[nn.Module, list[Tensor]]":
        """Return a cell's untrained proxy network and one example's input."""

    @abstractmethod
    def count_proxy(self, cell: Cell, proxy: Proxy, data: Drawn) -> Counts:
        """Return parameters and multiply-accumulates of a cell's proxy network, as its evaluation has them."""

    def zero_cost(
        self, cell: Cell, proxy: Proxy, data: Drawn, seed: int, device: "torch.device", measure: str
    ) -> tuple[float, Counts]:
        """Return what ``measure``, one of ``sections.zero_cost``, says of the untrained network, and its costs."""
        raise NotImplementedError(f"{self.task} defines no zero-cost measure")

    def edge_trial(
        self,
        cell: Cell,
        proxy: Proxy,
        data: Drawn,
        seed: int,
        device: "torch.device",
        deterministic: bool,
        tuning_epochs: int,
    ) -> ProxyTrial:
        """Return a ``trial`` whose result has the gains of the cell's missing edges (``sections.scores_edges``)."""
        raise NotImplementedError(f"{self.task} scores no missing edges")

    @abstractmethod
    def score(
        self, objective: Costs, proxy: Proxy, cell: Cell, metrics: Mapping[str, Any], costs: Mapping[str, Any]
    ) -> float:
        """Return quality weighed against the costs that are this task's own; weights of all tasks' costs come on top.

        Raises TypeError or ValueError where the metric is None or the logarithm of a cost does not exist.
        """

    def further_costs(self, proxy: Proxy, cell: Cell) -> Counts:
        """Return costs to record beside those of the evaluation, which follow from the cell alone."""
        return {}

    @abstractmethod
    def workload(self, parameters: "Parameters", manifest: Manifest | None = None) -> Workload:
        """Return what the task's steps may need."""

    # the final model

    @abstractmethod
    def rehearse(self, cell: Body, recipe: Training, data: Prepared, seed: int) -> None:
        """Build the full training and take its first step on a few examples, on the CPU; nothing is kept.

        Raises UserError where recipe and data do not fit together, and whatever else the training would raise.
        """

    @abstractmethod
    def train(
        self,
        cell: Body,
        recipe: Training,
        data: Prepared,
        folder: Path,
        seed: int,
        compute: "Compute",
        progress: Progress,
    ) -> None:
        """Train a cell's network by the full recipe; the same call goes on from the last checkpoint."""

    def holds_out(self, recipe: Training) -> bool:
        """Whether the full training validates on data held out from it; then its history has ``validation_METRIC``."""
        return True

    @abstractmethod
    def test(self, folder: Path, data: Prepared, compute: "Compute") -> Tested:
        """Measure the model in ``folder`` on the test split, which nothing else reads."""

    def deployment(self) -> "AnyDeployment | None":
        """Return what ``predict`` and ``export`` need of its models; None where they are not written for them."""
        return None

    def widths(self, network: Network) -> Sequence[float]:
        """Return what the widths of ``network`` can be multiplied by, ascending, no two of which make the same network;
        the first makes the narrowest that there is. Empty where networks of this task have no width."""
        return ()

    def widened(self, network: Network, width: float) -> Network:
        """Return ``network`` with its widths multiplied by ``width``, each rounded as the network says."""
        raise NotImplementedError(f"networks of the task {self.task} have no width")

    def fitted(self, recipe: Training, network: Mapping[str, Any]) -> Training:
        """Return the recipe with the network that a search fitted to its budget, which an artifact describes."""
        return recipe.model_copy(update={"network": type(recipe.network).model_validate(network)})

    @abstractmethod
    def load_model(self, folder: Path) -> "nn.Module":
        """Return a trained model in evaluation mode, on the CPU. Raises ArtifactError where a file is damaged."""

    # references; only tasks with ``sections.known_references`` define these

    def known_body(self, name: str, nodes: int) -> Body:
        """Return the body of a reference that is neither a cell of the search's space nor a released one.

        ``nodes`` is how many the search's complete cell has, its input included.
        """
        return KnownBlock(name)

    def proportions(self, network: Network) -> Iterator[Network]:
        """Yield the section that a reference's widths are scaled from, then others of nearly its proportions: whole
        channels leave gaps between the costs that one alone can reach."""
        yield network

    def reference_recipe(self, recipe: Training, network: Network, learning_rate: float) -> Training:
        """Return the recipe that trains a reference of this network, ``learning_rate`` times as fast."""
        raise NotImplementedError(f"{self.task} defines no references")

    def outcomes(self, folder: Path, data: Prepared, compute: "Compute") -> "NDArray[np.float32]":
        """Return how good the model in ``folder`` is at each test example: 1 or 0, or the logarithm of a probability.

        Reads the test split, as ``test`` does, and nothing else of the task does.
        """
        raise NotImplementedError(f"{self.task} defines no references")

    def test_examples(self, manifest: Manifest) -> int:
        """Return how many examples the test split of a prepared data set has."""
        raise NotImplementedError(f"{self.task} defines no references")

    # costs

    @abstractmethod
    def example(self, data: Prepared, recipe: Training) -> Counts:
        """Return the sizes of one example as the final network takes it."""

    @abstractmethod
    def describe_example(self, example: Mapping[str, int]) -> str:
        """Return the sizes of one example in words."""

    @abstractmethod
    def count(self, cell: Body, network: Network, example: Mapping[str, int]) -> tuple[Counts, dict[str, Counts]]:
        """Return what a cell's network costs for one example, in all and by part."""

    @abstractmethod
    def example_network(
        self, cell: Body, network: Network, example: Mapping[str, int]
    ) -> "tuple[nn.Module, list[Tensor]]":
        """Return a cell's network without weights, on the ``meta`` device, and one example's input."""


AnyTask = TaskSpec[Any, Any, Any, Any, Any]


@cache
def spec_of(task: Task) -> AnyTask:
    """Return the description of a task."""
    found = importlib.import_module(task.module).SPEC
    assert isinstance(found, TaskSpec)
    return found

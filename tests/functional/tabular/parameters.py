"""The sections that the task brings to params.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from autoshrink.params.base import Section, Task
from autoshrink.params.objective import Costs
from autoshrink.params.search import TaskSearch
from autoshrink.params.sections import Dataset, TaskProxy, TaskProxyTraining, TaskTraining

Operator = Literal["dense_relu", "dense_tanh"]


class Wine(Dataset):
    """178 wines of three cultivars, 13 measurements each, out of the scikit-learn package."""

    task: ClassVar[Task] = Task("tabular")
    source: Literal["wine"]
    test_rows: Annotated[int, Field(ge=1, le=100)] = 40
    """Rows held out as the test split, drawn by name from the root seed."""


class TabularObjective(Costs):
    """score = -error - macs_weight * (log10(MACs) - 3)."""

    macs_weight: Annotated[float, Field(ge=0)] = 0.05
    """Error accepted for a tenfold saving of multiply-accumulates."""


class TabularSearch(TaskSearch):
    """The search for a cell of dense layers."""

    nodes: Annotated[int, Field(ge=2, le=12)] = 3
    operators: Annotated[list[Operator], Field(min_length=1)] = ["dense_relu", "dense_tanh"]
    """The operators that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "balanced"
    k: Annotated[int, Field(ge=1)] = 2
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    objective: TabularObjective = TabularObjective()
    """What makes a candidate better."""


class TabularNetwork(Section):
    """The network around a cell: a dense stem, the cell, a classifier."""

    width: Annotated[int, Field(ge=1)] = 8
    """Width of every layer."""


class TabularProxyTraining(TaskProxyTraining):
    """How a candidate is trained from scratch."""

    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes over the proxy's rows."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    """Adam's learning rate."""


class TabularProxy(TaskProxy):
    """The proxy that candidates are judged by."""

    dataset: str = "wine"
    """Which of ``datasets`` the rows come from."""
    validation_rows: Annotated[int, Field(ge=1)] = 30
    """Rows held out of the training split to judge by."""
    network: TabularNetwork = TabularNetwork()
    """The network candidates are built into."""
    training: TabularProxyTraining = TabularProxyTraining()
    """How they are trained."""


class TabularTraining(TaskTraining):
    """The full recipe of the final model."""

    dataset: str = "wine"
    """Which of ``datasets`` the final model is trained and tested on."""
    network: TabularNetwork = TabularNetwork(width=16)
    """The network built from the best cell."""
    epochs: Annotated[int, Field(ge=1)] = 5
    """Passes over the training split."""
    batch_size: Annotated[int, Field(ge=1)] = 138
    """Rows per step."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    """Adam's learning rate."""

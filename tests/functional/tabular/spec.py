"""Classification of tables, described once. Imports torch only inside the methods that need it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from autoshrink.cells.body import Body
from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.params.objective import Costs
from autoshrink.params.sections import Dataset, TaskSections
from autoshrink.records.manifest import Manifest
from autoshrink.tasks import raw_data
from autoshrink.tasks.spec import Counts, Metric, ProxyTrial, ReportedMetric, TaskSpec, Tested, Workload
from autoshrink.training.events import Progress

from .parameters import (
    Operator,
    TabularNetwork,
    TabularObjective,
    TabularProxy,
    TabularSearch,
    TabularTraining,
    Wine,
)
from .records import TableManifest, TableModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from autoshrink.params import Parameters
    from autoshrink.params.root import Compute

    from .data import PreparedTable
    from .training import ProxyRows


@dataclass(frozen=True)
class TabularClassification(TaskSpec["PreparedTable", "ProxyRows", TabularProxy, TabularTraining, TabularNetwork]):
    """Rows in, classes out; cells of dense layers."""

    def locate(self, name: str, entry: Dataset) -> str:
        """Say that the wines come out of scikit-learn."""
        return raw_data.in_package(name, entry.source, "sklearn", "scikit-learn")

    def prepare(self, name: str, entry: Dataset, folder: Path, downloads: Path, seed: int) -> None:
        """Prepare the table."""
        from . import data

        assert isinstance(entry, Wine)
        data.prepare(name, entry, folder, seed)

    def load(self, folder: Path) -> "PreparedTable":
        """Return the prepared table."""
        from . import data

        return data.load(folder)

    def shortages(self, parameters: "Parameters", name: str, manifest: Manifest) -> Iterator[str]:
        """Yield that no row would be left to train on."""
        assert isinstance(manifest, TableManifest)
        proxy, there = self.proxy(parameters), manifest.counts["train"]
        if proxy.dataset == name and proxy.validation_rows >= there:
            yield (
                f"proxy.tabular.validation_rows = {proxy.validation_rows}: data set {name!r} has only {there} rows; "
                "accepted: fewer than that"
            )

    def draw(self, data: "PreparedTable", parameters: "Parameters") -> "ProxyRows":
        """Split the training rows."""
        from . import training

        return training.draw(data, self.proxy(parameters), parameters.seed)

    def trial(
        self, cell: Cell, proxy: TabularProxy, data: "ProxyRows", seed: int, device: "torch.device", deterministic: bool
    ) -> ProxyTrial:
        """Return a candidate's training before its first epoch."""
        from .training import TabularTrial

        return TabularTrial(cell, proxy, data, seed)

    def proxy_network(self, cell: Cell, proxy: TabularProxy, data: "ProxyRows") -> "tuple[nn.Module, list[Tensor]]":
        """Return the proxy network and one row."""
        import torch

        from . import network

        features = data.train[0].shape[1]
        return network.build(cell, proxy.network, features, data.classes, 0), [torch.zeros(1, features)]

    def count_proxy(self, cell: Cell, proxy: TabularProxy, data: "ProxyRows") -> Counts:
        """Return the costs of one row."""
        from autoshrink.costs import counting

        return counting.measure(*self.proxy_network(cell, proxy, data))

    def score(
        self, objective: Costs, proxy: TabularProxy, cell: Cell, metrics: Mapping[str, Any], costs: Mapping[str, Any]
    ) -> float:
        """Return the error weighed against MACs."""
        assert isinstance(objective, TabularObjective)
        return -float(metrics["error"]) - objective.macs_weight * (math.log10(costs["macs"]) - 3)

    def workload(self, parameters: "Parameters", manifest: Manifest | None = None) -> Workload:
        """Return a minute and 2 GB: the tables are tiny."""
        return Workload(proxy_minutes=1, proxy_megabytes=2000, training_minutes=1)

    def rehearse(self, cell: Body, recipe: TabularTraining, data: "PreparedTable", seed: int) -> None:
        """Build the network and take one forward pass."""
        import torch

        from . import network

        assert isinstance(cell, Cell), "a network here has one cell"
        features, classes = data.manifest.features, len(data.manifest.classes)
        network.build(cell, recipe.network, features, classes, seed)(torch.zeros(1, features))

    def train(
        self,
        cell: Body,
        recipe: TabularTraining,
        data: "PreparedTable",
        folder: Path,
        seed: int,
        compute: "Compute",
        progress: Progress,
    ) -> None:
        """Train the final model."""
        from . import training

        assert isinstance(cell, Cell), "a network here has one cell"
        training.train(cell, recipe, data, folder, seed, progress)

    def test(self, folder: Path, data: "PreparedTable", compute: "Compute") -> Tested:
        """Return the error and loss on the test split."""
        import torch

        from . import training

        rows_NF, labels_N = data.split("test")
        module = training.load_model(folder)
        loss, error = training.evaluate(module, torch.from_numpy(rows_NF), torch.from_numpy(labels_N))
        return Tested({"test_error": error, "loss": loss})

    def load_model(self, folder: Path) -> "nn.Module":
        """Return the trained model: standardised rows (B, F) to logits."""
        from . import training

        return training.load_model(folder)

    def widths(self, network: TabularNetwork) -> Sequence[float]:
        """Return a factor per width."""
        return [width / network.width for width in range(1, 1025)]

    def widened(self, network: TabularNetwork, width: float) -> TabularNetwork:
        """Return the network with other layers' width."""
        return TabularNetwork(width=max(round(network.width * width), 1))

    def reference_recipe(
        self, recipe: TabularTraining, network: TabularNetwork, learning_rate: float
    ) -> TabularTraining:
        """Return the recipe with this network and rate."""
        changes = {"network": network, "learning_rate": recipe.learning_rate * learning_rate}
        return recipe.model_copy(update=changes)

    def outcomes(self, folder: Path, data: "PreparedTable", compute: "Compute") -> "NDArray[np.float32]":
        """Return 1 for each test row that is classified right, 0 for each other."""
        import torch

        from . import training

        rows_NF, labels_N = data.split("test")
        right = training.load_model(folder)(torch.from_numpy(rows_NF)).argmax(1) == torch.from_numpy(labels_N)
        found: NDArray[np.float32] = right.float().numpy()
        return found

    def test_examples(self, manifest: Manifest) -> int:
        """Return the test split's rows."""
        assert isinstance(manifest, TableManifest)
        return manifest.counts["test"]

    def example(self, data: "PreparedTable", recipe: TabularTraining) -> Counts:
        """Return features and classes."""
        return {"features": data.manifest.features, "classes": len(data.manifest.classes)}

    def describe_example(self, example: Mapping[str, int]) -> str:
        """Return them in words."""
        return "{features} features, {classes} classes".format(**example)

    def count(
        self, cell: Body | Sequence[Cell], network: TabularNetwork, example: Mapping[str, int]
    ) -> tuple[Counts, dict[str, Counts]]:
        """Return the costs of one row, by part."""
        from autoshrink.costs import counting

        module, inputs = self.example_network(cell, network, example)
        return counting.measure_with_parts(module, inputs)

    def example_network(
        self, cell: Body | Sequence[Cell], network: TabularNetwork, example: Mapping[str, int]
    ) -> "tuple[nn.Module, list[Tensor]]":
        """Return the network and one row."""
        import torch

        from .network import DenseNetwork

        assert isinstance(cell, Cell), "a network here has one cell"
        module = DenseNetwork(cell, network, example["features"], example["classes"])
        return module, [torch.zeros(1, example["features"])]


SPEC = TabularClassification(
    task=Task("tabular"),
    title="Classification of tables",
    unit="row",
    macs="MACs",
    metric=Metric("error", "test_error", higher_is_better=False),
    reported=(ReportedMetric("test_error", "test_error", "error, test", "error"),),
    model=TableModel,
    manifest=TableManifest,
    operators=get_args(Operator),
    sections=TaskSections(
        search=TabularSearch,
        proxy=TabularProxy,
        training=TabularTraining,
        datasets=(Wine,),
        known_references=("complete", "chain"),
        in_words="a cell of dense layers",
    ),
    training_draws=("init",),
)

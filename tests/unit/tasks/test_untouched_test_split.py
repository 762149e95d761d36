"""The test split stays closed until it is measured: everything else works without it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from autoshrink import params
from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.tasks.spec import spec_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def smoke() -> Parameters:
    """The smoke preset on the CPU, one epoch each."""
    settings = ["compute.device=cpu", "training.cnn.epochs=1", "training.rnn.epochs=1", "proxy.cnn.training.epochs=1"]
    return params.load([ROOT / "workflow/presets/smoke.yaml"], settings)


@pytest.mark.parametrize("task", list(Task))
def test_only_measuring_opens_the_test_split(smoke: Parameters, task: Task, tmp_path: Path) -> None:
    """With its files gone, data is loaded, candidates are judged, a model is rehearsed, trained and chosen; measuring
    it fails, whether for its metrics or for the verdict."""
    spec = spec_of(task)
    proxy, recipe = spec.proxy(smoke), spec.training(smoke)
    folder = tmp_path / recipe.dataset
    spec.prepare(recipe.dataset, smoke.datasets[recipe.dataset], folder, tmp_path, smoke.seed)
    gone = [path for path in folder.iterdir() if path.name.startswith("test")]
    assert gone
    for path in gone:
        path.unlink()

    cell = Cell.complete(list(spec.operators[:2]))
    data: Any = spec.load(folder)
    drawn = spec.draw(data, smoke)
    trial = spec.trial(cell, proxy, drawn, 1, torch.device("cpu"), True)
    trial.run_epoch()
    if spec.sections.zero_cost:
        spec.zero_cost(cell, proxy, drawn, 1, torch.device("cpu"), "gradient_norm")
    assert list(spec.shortages(smoke, recipe.dataset, data.manifest)) == []
    assert spec.example(data, recipe)
    spec.rehearse(cell, recipe, data, 1)
    spec.train(cell, recipe, data, tmp_path / "model", 1, smoke.compute, lambda entry: None)
    for measure in (spec.test, spec.outcomes):
        with pytest.raises(ArtifactError, match="test"):
            measure(tmp_path / "model", data, smoke.compute)

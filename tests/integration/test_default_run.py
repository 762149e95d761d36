"""The default run ends in the cells, weights and figures that are recorded, on whatever CPU; the README names them."""

import csv
from importlib import metadata
from pathlib import Path

import pytest

from autoshrink.files import artifacts
from autoshrink.params import document
from autoshrink.params.base import Task
from autoshrink.records.metrics import FinalMetrics
from autoshrink.runtime import numerics
from autoshrink.tasks.spec import spec_of
from tests.functional.smoke_run import ROOT, Folder

RECORDED = ROOT / "benchmarks/results/default-run.csv"


def recorded() -> list[dict[str, str]]:
    """Return the table: a row per CPU and task."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_readme_has_the_recorded_figures() -> None:
    """Each task's test quality, as a person would round it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in recorded():
        metric = spec_of(Task(row["task"])).metric
        figure = f"{float(row['quality']):.1f}" if metric.is_perplexity else f"{100 * float(row['quality']):.1f} %"
        assert figure in readme, f"{row['task']}: {figure}"


@pytest.mark.slow
@pytest.mark.skipif(numerics.effective("portable") != "portable", reason="needs an x86-64 CPU with AVX2")
def test_the_default_run_ends_as_recorded(tmp_path: Path) -> None:
    """Cell, weights and test quality of both tasks, byte for byte."""
    rows = recorded()
    version = metadata.version("torch")
    if not all(row["torch"].startswith(version) for row in rows):
        pytest.skip(f"recorded with torch {rows[0]['torch']}; this is {version}")
    folder = Folder(Folder.new(tmp_path / "run").path, ()).overlaid(document.render_starter())
    searches = {task: folder.path / "results" / task / "shrink-0" for task in ("cnn", "rnn")}
    done = folder.run(*(f"results/{task}/shrink-0/metrics.json" for task in searches))
    assert done.returncode == 0, done.stderr
    for row in rows:
        search = searches[row["task"]]
        metrics = FinalMetrics.read(search / "metrics.json")
        name = spec_of(Task(row["task"])).metric.test
        weights = artifacts.digest_of_file(search / "model/model.safetensors")
        found = (metrics.key, repr(metrics.metrics[name]), weights)
        assert found == (row["cell"], row["quality"], row["weights"]), f"{numerics.cpu()} differs from {row['cpu']}"

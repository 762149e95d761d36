"""Growing nodes against uniform ones: the same cell, data, cost and training steps, over several seeds.

    python benchmarks/growing.py --data data --out benchmarks/results/growing.json

Four networks per seed: *grown* starts thin and grows to the uniform network's MACs; *uniform* has one width
per stage from the start; *random* starts as thin and adds the same number of neurons at each growth, drawn at
random in place of scored; *splitting* only splits neurons, chosen at second order. Each is tested on the test split
once, after its training.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from scipy import stats

from autoshrink import params
from autoshrink.cells.cell import Cell
from autoshrink.files import artifacts
from autoshrink.params.root import Compute
from autoshrink.params.vision import Growth, ImageNetwork, ImageTraining
from autoshrink.runtime import seeds
from autoshrink.tasks import address
from autoshrink.tasks.vision import data, growth, splits, testing, training
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.records import ImageModel
from autoshrink.training.growth import Neuron, select

CELL = Cell.of(["separable_conv_3x3", "conv_1x1", "separable_conv_3x3"], [(0, 1), (1, 2), (0, 3), (2, 3)])
COMPUTE = Compute(device="cpu")
WAYS = ("grown", "uniform", "random", "splitting")


def recipe(dataset: str, epochs: int, way: str) -> ImageTraining:
    """Return the recipe of one of ``WAYS``; only its growth differs."""
    network = ImageNetwork(stem_stride=2, base_filters=8)
    rounds = 4
    grows = Growth(
        kind="splitting" if way == "splitting" else "firefly",
        rounds=rounds,
        epochs=max(1, epochs // (2 * rounds)),
        start=0.5,
        ratio=0.35,
        candidates=4,
    )
    return ImageTraining(dataset=dataset, network=network, epochs=epochs, growth=None if way == "uniform" else grows)


def at_random(seed: int) -> Callable[..., list[Neuron]]:
    """Return what chooses candidates in an order drawn at random, within the same quota and budget."""

    def choose(
        gains: Mapping[Neuron, float],
        quota: int,
        added_cost: Mapping[str, int],
        cost: Callable[[Mapping[str, int]], int],
        budget: int,
        filters: Mapping[str, int],
    ) -> list[Neuron]:
        order = seeds.shuffled(seed, f"random/{len(gains)}", sorted(gains))
        drawn = {neuron: float(rank + 1) for rank, neuron in enumerate(order)}
        return select(drawn, quota, dict.fromkeys(added_cost, 1), cost, budget, filters)

    return choose


def one(way: str, prepared: PreparedImages, epochs: int, seed: int) -> dict[str, Any]:
    """Train and test one network."""
    how = recipe(prepared.name, epochs, way)
    choosing = patch.object(growth, "select", at_random(seed)) if way == "random" else contextlib.nullcontext()
    with choosing, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training.train(CELL, how, prepared, folder, seed, COMPUTE, lambda event: None)
        history = artifacts.read_sealed(folder / "history.json", "history", 1)
        network = ImageModel.of(folder).network
        accuracy = testing.test(folder, prepared, COMPUTE).metrics["accuracy_top1"]
    size, counted = splits.image_size(prepared, how), {}
    for cost in ("macs", "parameters"):
        unit = Growth.model_validate({"cost": cost})
        counted[cost] = growth.cost_of(CELL, network, prepared.channels, len(prepared.classes), size, unit)
    return {"way": way, "seed": seed, "accuracy": accuracy, **counted, "growths": history.get("growths", [])}


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures as a Markdown table: means, 95 % intervals, and paired differences from uniform."""
    lines = [
        "| network | test accuracy | difference from uniform | MACs | parameters |",
        "| --- | --- | --- | --- | --- |",
    ]
    by_way = {way: [run for run in runs if run["way"] == way] for way in WAYS}
    for way in WAYS:
        accuracies = [run["accuracy"] for run in by_way[way]]
        differences = [a["accuracy"] - b["accuracy"] for a, b in zip(by_way[way], by_way["uniform"], strict=True)]
        costs = [f"{statistics.mean(run[cost] for run in by_way[way]):,.0f}" for cost in ("macs", "parameters")]
        against = "" if way == "uniform" else _interval(differences)
        lines.append(f"| {way} | {_interval(accuracies)} | {against} | {costs[0]} | {costs[1]} |")
    return "\n".join(lines)


def _interval(values: list[float]) -> str:
    """Return mean and half-width of the 95 % interval (Student), in points."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):.2f} ± {100 * half:.2f}"


def main() -> None:
    """Run, write the figures, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="Folder of prepared data sets.")
    parser.add_argument("--dataset", default="digits", help="Which of them.")
    parser.add_argument("--epochs", type=int, default=24, help="Epochs of each training.")
    parser.add_argument("--seeds", type=int, default=5, help="Seeds, from 0.")
    parser.add_argument("--out", type=Path, required=True, help="Where the figures go (JSON).")
    arguments = parser.parse_args()
    folder = address.folder(params.load([], []), arguments.dataset, arguments.data)
    prepared, runs = data.load(folder), []
    for seed in range(arguments.seeds):
        for way in WAYS:
            runs.append(one(way, prepared, arguments.epochs, seed))
            print(json.dumps({key: value for key, value in runs[-1].items() if key != "growths"}), flush=True)
    settings = {"dataset": arguments.dataset, "epochs": arguments.epochs, "cell": CELL.to_json()}
    arguments.out.write_text(json.dumps({"settings": settings, "runs": runs}, indent=1) + "\n")
    print(table(runs))


if __name__ == "__main__":
    main()

"""One candidate's evaluation on the paper's CIFAR-10 proxy, run to its end: what it comes to and how long it takes.

    python benchmarks/paper_cifar10_candidate.py --data FOLDER --cell shrinkcnn-a --out benchmarks/results/FILE.json

FOLDER is CIFAR-10 as ``autoshrink prepare`` leaves it. ``--cell round-0`` is the first candidate of the paper's search:
the complete cell of 8 nodes less one edge.
"""

import json
import platform
import time
from pathlib import Path
from typing import Any

import click
import torch

import autoshrink.params as params
from autoshrink.cells import released
from autoshrink.cells.cell import Cell
from autoshrink.params.root import Compute
from autoshrink.runtime import devices, seeds
from autoshrink.tasks.vision import data, proxy


def _cell(name: str, root: int) -> Cell:
    if name != "round-0":
        return released.load(name).cell
    operators = seeds.shuffled(root, "benchmark/operators", ["separable_conv_3x3"] * 4 + ["conv_1x1"] * 3)
    complete = Cell.complete(operators)
    return complete.without(seeds.choice(root, "benchmark/edge", complete.edges)).pruned()


@click.command()
@click.option("--data", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--cell", "name", required=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(folder: Path, name: str, device: Any, out: Path) -> None:
    parameters = params.load([Path("params.default.yaml"), Path("workflow/presets/paper.yaml")])
    chosen = devices.pick(Compute(device=device, threads=1))
    recipe = parameters.proxy.cnn
    drawn = proxy.draw(data.load(folder), recipe, parameters.seed, parameters.paper_defects)
    assert len(drawn.train_labels_N) == 5000 and len(drawn.validation_labels_N) == 1000
    cell = _cell(name, parameters.seed).canonical()
    candidate = proxy.ImageTrial(cell, recipe, drawn.to(chosen), parameters.seed, chosen, deterministic=True)
    seconds = []
    while not candidate.done:
        started = time.perf_counter()
        record = candidate.run_epoch()
        seconds.append(round(time.perf_counter() - started, 1))
        result = {
            "cell": name,
            "key": cell.key,
            "edges": len(cell.edges),
            "finished": candidate.done,
            "seconds_per_epoch": seconds,
            "device": torch.cuda.get_device_name() if chosen.type == "cuda" else "cpu, 1 thread",
            "machine": platform.machine(),
            "torch": torch.__version__,
            **candidate.result().to_json(),
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
        click.echo(f"epoch {record['epoch']}: {record['validation_accuracy']:.3f} in {seconds[-1]} s")


if __name__ == "__main__":
    main()

"""How fast a round's candidates train: the engine against plain loops, both tasks, in one run.

    python -m benchmarks.search --data data --out benchmarks/results/search-cpu.csv
    python -m benchmarks.search --preset paper --data data --out benchmarks/results/search-gpu.csv     (on a GPU)

Ways are interleaved and repeated, and medians written. With ``--synthetic``, random data of the real data's size stand
in for it, so that nothing need be prepared: the arithmetic and its speed are the same.
"""

import datetime
import statistics
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from autoshrink import params
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.runtime import devices
from autoshrink.tasks import address

from . import loops, roofline, tables

ROOT = Path(__file__).parent.parent
COLUMNS = [
    "date", "device", "plain_threads", "preset", "data", "task", "way", "k", "candidate_epochs_per_second",
    "times_in_turn", "cpu_seconds_per_epoch", "memory_gib", "worst_difference", "share_of_roofline",
]  # fmt: skip


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data", help="The folder of prepared data sets.")
@click.option("--synthetic", is_flag=True, help="Random data of the same size.")
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default")
@click.option("--tasks", default="cnn,rnn")
@click.option("--epochs", default=2, help="Epochs of each candidate.")
@click.option("--repeats", default=3)
@click.option("--scaling", default="", help="Also the engine alone with these numbers of candidates, such as 1,2,5.")
@click.option("--threads", default=0, help="Threads of the plain loop; 0: as many as there are cores, as torch does.")
@click.option("--jobs", default=0, help="Evaluation jobs at a time; 0: one a CPU core, one on a GPU.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(
    data: Path,
    synthetic: bool,
    preset: str,
    tasks: str,
    epochs: int,
    repeats: int,
    scaling: str,
    threads: int,
    jobs: int,
    out: Path,
) -> None:
    """Measure, print and append to the CSV file."""
    files = [ROOT / "params.default.yaml", *([ROOT / "workflow/presets/paper.yaml"] if preset == "paper" else [])]
    parameters = params.load(files)
    device = devices.pick(parameters.compute)
    jobs = jobs or (1 if device.type == "cuda" else torch.multiprocessing.cpu_count())
    rows: list[dict[str, Any]] = []
    for task in map(Task, tasks.split(",")):
        recipe, drawn = proxy_of(parameters, task, data, synthetic, epochs)
        search = parameters.search.cnn if task is Task.CNN else parameters.search.rnn
        chosen = loops.candidates_of(task, parameters, search.k)
        compute = parameters.compute
        default = compute.model_copy(update={"threads": threads or torch.multiprocessing.cpu_count()})
        measured: dict[str, list[loops.Measured]] = {}
        for _ in range(repeats):
            measured.setdefault("in turn", []).append(loops.in_turn(task, recipe, drawn, chosen, default))
            measured.setdefault("processes", []).append(loops.processes(task, recipe, drawn, chosen, compute))
            measured.setdefault("engine", []).append(loops.engine(task, recipe, drawn, chosen, compute, jobs))
        if device.type == "cuda":
            eager = compute.model_copy(update={"cuda_graphs": False})
            measured["engine without graphs"] = [loops.engine(task, recipe, drawn, chosen, eager, jobs)]
            small = compute.model_copy(update={"max_memory_gib": 8.0})
            measured["engine in 8 GiB"] = [loops.engine(task, recipe, drawn, chosen, small, jobs)]
        limit = roofline.seconds_per_epoch(task, recipe, drawn, [cell for cell, _ in chosen], device)
        base = statistics.median(item.rate for item in measured["in turn"])
        for way, items in measured.items():
            rate = statistics.median(item.rate for item in items)
            cpu_seconds = statistics.median(item.cpu_seconds / item.epochs for item in items)
            rows.append(
                {
                    "task": str(task),
                    "way": way,
                    "k": search.k,
                    "candidate_epochs_per_second": f"{rate:.4g}",
                    "times_in_turn": f"{rate / base:.2f}",
                    "cpu_seconds_per_epoch": f"{cpu_seconds:.3f}",
                    "memory_gib": f"{max(item.memory_gib for item in items):.2f}",
                    "worst_difference": f"{_difference(items[0], measured['in turn'][0]):.1e}",
                    "share_of_roofline": f"{rate * limit / (jobs if device.type == 'cpu' else 1):.3f}",
                }
            )
        for k in [int(number) for number in scaling.split(",") if number]:
            item = loops.engine(task, recipe, drawn, loops.candidates_of(task, parameters, k), compute, jobs)
            rows.append(
                {
                    "task": str(task),
                    "way": "engine, scaling",
                    "k": k,
                    "candidate_epochs_per_second": f"{item.rate:.4g}",
                    "times_in_turn": f"{item.rate / base:.2f}",
                    "memory_gib": f"{item.memory_gib:.2f}",
                }
            )
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": loops.device_name(device),
        "plain_threads": threads or torch.multiprocessing.cpu_count(),
        "preset": preset,
        "data": "synthetic" if synthetic else "real",
    }
    tables.append(out, COLUMNS, [{**about, **row} for row in rows])
    for row in rows:
        click.echo("  ".join(f"{key} {value}" for key, value in row.items()))


def proxy_of(parameters: Parameters, task: Task, data: Path, synthetic: bool, epochs: int) -> tuple[Any, Any]:
    """Return the task's proxy recipe with so many epochs, and its data, real or random."""
    recipe: Any = parameters.proxy.cnn if task is Task.CNN else parameters.proxy.rnn
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"epochs": epochs})})
    if not synthetic:
        return recipe, Networks(parameters, task, address.folder(parameters, recipe.dataset, data)).drawn
    generator = np.random.default_rng(0)
    if task is Task.CNN:
        from autoshrink.tasks.vision.proxy import ProxyData

        side, channels = (32, 3) if recipe.dataset == "cifar10" else (28, 1)
        counts = recipe.train_per_class * 10, recipe.validation_per_class * 10
        images, validation_images = (
            torch.from_numpy(generator.integers(0, 256, (count, side, side, channels), dtype=np.uint8))
            for count in counts
        )
        labels, validation_labels = (torch.arange(count) % 10 for count in counts)
        normalisation = (0.5,) * channels, (0.25,) * channels
        return recipe, ProxyData(images, labels, validation_images, validation_labels, *normalisation, 10)
    from autoshrink.tasks.language.proxy import ProxyData as TextData

    # 22 words a line and, in 4,000 lines, 8,500 types: as in the Penn Treebank
    words, lines = 8500 * recipe.train_lines // 4000, (recipe.train_lines, recipe.validation_lines)
    texts = [generator.integers(0, words, 22 * count).astype(np.int32) for count in lines]
    return recipe, TextData(tuple(map(str, range(words))), *texts)


def _difference(one: loops.Measured, other: loops.Measured) -> float:
    """Return the greatest relative difference of training losses after the first epoch."""
    pairs = zip(one.histories, other.histories, strict=True)
    losses = [(float(a[0]["train_loss"]), float(b[0]["train_loss"])) for a, b in pairs]
    return max(abs(a - b) / abs(b) for a, b in losses)


if __name__ == "__main__":
    main()

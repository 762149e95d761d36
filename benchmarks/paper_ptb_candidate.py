"""One candidate on the paper's Penn Treebank proxy, run to its end: what it comes to and how long it takes.

    python benchmarks/paper_ptb_candidate.py --data FOLDER --cell shrinkrnn --out benchmarks/results/FILE.json

FOLDER is the Penn Treebank as ``autoshrink prepare`` leaves it. ``--cell round-0`` is a first candidate of the paper's
search: a complete cell of 6 nodes less one edge.
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
from autoshrink.tasks.language import data, proxy


def _cell(name: str, root: int) -> Cell:
    if name != "round-0":
        return released.load(name).cell
    activations = ["relu", "sigmoid", "tanh", "identity"]
    operators = [seeds.choice(root, f"benchmark/operator-{node}", activations) for node in range(1, 6)]
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
    recipe = parameters.proxy.rnn
    drawn = proxy.draw(data.load(folder), recipe, parameters.seed)
    lines = [int((tokens == drawn.words.index("<eos>")).sum()) for tokens in (drawn.train, drawn.validation)]
    assert lines == [4000, 300], lines
    cell = _cell(name, parameters.seed).canonical()
    candidate = proxy.LanguageTrial(cell, recipe, drawn, parameters.seed, chosen, deterministic=True)
    seconds, processor_seconds = [], []
    while not candidate.done:
        started, processor_started = time.perf_counter(), time.process_time()
        record = candidate.run_epoch()
        seconds.append(round(time.perf_counter() - started, 1))
        processor_seconds.append(round(time.process_time() - processor_started, 1))
        result = {
            "cell": name,
            "key": cell.key,
            "edges": len(cell.edges),
            "lines": {"train": lines[0], "validation": lines[1]},
            "tokens": {"train": len(drawn.train), "validation": len(drawn.validation)},
            "vocabulary": len(drawn.words),
            "finished": candidate.done,
            "seconds_per_epoch": seconds,
            "processor_seconds_per_epoch": processor_seconds,
            "device": torch.cuda.get_device_name() if chosen.type == "cuda" else "cpu, 1 thread",
            "machine": platform.machine(),
            "torch": torch.__version__,
            **candidate.result().to_json(),
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
        click.echo(f"epoch {len(seconds)}: {record['validation_perplexity']} in {seconds[-1]} s")


if __name__ == "__main__":
    main()

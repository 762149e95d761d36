"""The paper's search on Penn Treebank: a table of all its candidates, and its answer beside the released cell.

    python -m benchmarks.paper_rnn rounds results-paper/rnn/shrink-0 --out benchmarks/results/paper-rnn.csv
    python -m benchmarks.paper_rnn compare benchmarks/results/paper-rnn-seeds.csv
    python -m benchmarks.paper_rnn seeds results-paper/rnn/shrink-0 --params params.yaml \\
        --params workflow/presets/paper.yaml --seeds 3 --out benchmarks/results/paper-rnn-seeds.csv

*rounds* copies what a finished search knows of each candidate. *seeds* trains the complete cell, the answer and the
released ShrinkRNN again on the proxy, under several seeds each, one after the other; the same command goes on where it
was stopped. *compare* says what the second table shows.
"""

import csv
import json
import tempfile
from pathlib import Path

import click

from autoshrink import params
from autoshrink.cells import released
from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.evaluation import EvaluationJob
from autoshrink.records.proposal import Proposal, ProposedSlot
from autoshrink.records.round import Round
from autoshrink.records.study import Interval
from autoshrink.records.timing import StepTiming
from autoshrink.study import statistics
from autoshrink.tasks import address
from benchmarks import tables

ROUNDS = ("round", "slot", "key", "edges", "parameters", "epochs", "loss", "perplexity", "score", "seconds", "taken")
SEEDS = ("cell", "key", "edges", "seed", "parameters", "loss", "perplexity")


@click.group()
def main() -> None:
    """Collect, or train again."""


@main.command()
@click.argument("search", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True)
def rounds(search: Path, out: Path) -> None:
    """Write a row per candidate of a finished search; seconds are its training's on the clock."""
    out.unlink(missing_ok=True)
    for folder in sorted(search.glob("round-*"))[1:]:
        state = Round.read(folder / "round.json")
        took = StepTiming.beside(folder / "evaluations-0.json").slots or {}
        rows = []
        for item in state.candidates:
            timing = took.get(str(item.slot))
            seconds = timing.device_seconds if timing else None
            rows.append(
                {
                    "round": state.round,
                    "slot": item.slot,
                    "key": item.key,
                    "edges": len(item.cell.edges),
                    "parameters": item.costs["parameters"],
                    "epochs": item.epochs,
                    "loss": _rounded(item.metrics["loss"], 4),
                    "perplexity": _rounded(item.metrics["perplexity"], 2),
                    "score": _rounded(item.score, 4),
                    "seconds": _rounded(seconds, 0),
                    "taken": "yes" if item.slot == state.taken else "",
                }
            )
        tables.append(out, ROUNDS, rows)


@main.command()
@click.argument("search", type=click.Path(path_type=Path))
@click.option("--params", "files", multiple=True, type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def seeds(search: Path, files: tuple[Path, ...], seeds: int, out: Path) -> None:
    """Train the complete cell, the answer and the released cell under several seeds, a row for each."""
    parameters = params.load(files)
    cells = {
        "complete": Round.read(search / "round-00/round.json").state.cell,
        "found": Best.read(search / "best.json").cell,
        "ShrinkRNN, released": released.load("shrinkrnn").cell,
    }
    slots = tuple(
        ProposedSlot(
            slot=slot, cell=cell, canonical=cell.canonical(), key=cell.key, origin=name, removed=(), fidelity=None
        )
        for slot, (name, cell) in enumerate(cells.items())
    )
    done: set[tuple[str, int]] = set()
    if out.exists():
        with out.open(encoding="utf-8") as file:
            done = {(row["cell"], int(row["seed"])) for row in csv.DictReader(file)}
    data = address.folder(parameters, parameters.proxy.rnn.dataset)
    with tempfile.TemporaryDirectory() as name:
        proposal, job = Path(name) / "proposal.json", Path(name) / "evaluations.json"
        Proposal(task=Task.RNN, search=search.name, round=1, candidates=slots).write(proposal)
        for seed in range(1, seeds + 1):
            for slot in slots:
                if (slot.origin, seed) in done:
                    continue
                wanted = range(slot.slot, slot.slot + 1)
                store = Store(Path(parameters.paths.store))
                engine.evaluate(parameters, Task.RNN, proposal, wanted, data, store, job, lambda event: None, seed)
                (found,) = EvaluationJob.read(job).by_slot.values()
                row = {
                    "cell": slot.origin,
                    "key": slot.key,
                    "edges": len(slot.cell.edges),
                    "seed": seed,
                    "parameters": found.costs["parameters"],
                    "loss": _rounded(found.metrics["loss"], 4),
                    "perplexity": _rounded(found.metrics["perplexity"], 2),
                }
                tables.append(out, SEEDS, [row])
                click.echo(json.dumps(row))


@main.command()
@click.argument("table", type=click.Path(path_type=Path))
def compare(table: Path) -> None:
    """Print each cell's mean perplexity and how much lower the answer's is, with 95 % intervals, paired by seed."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        found.setdefault(row["cell"], []).append(float(row["perplexity"]))
    others = [name for name in found if name != "found"]
    pairs = [statistics.paired(found["found"], found[name], 0.95) for name in others]
    for name, values in found.items():
        click.echo(f"{name}: {_span(statistics.interval(values, 0.95))}, {len(values)} seeds")
    for name, pair, p in zip(others, pairs, statistics.holm([pair.t for pair in pairs]), strict=True):
        click.echo(f"found is lower than {name} by {_span(pair.difference)}, p = {p:.3f}")


def _span(found: Interval) -> str:
    return f"{_rounded(found.mean, 1)} ({_rounded(found.low, 1)} to {_rounded(found.high, 1)})"


def _rounded(number: float | None, digits: int) -> str:
    """Return a number with so many digits; nothing where a training diverged or nothing was measured."""
    return "" if number is None else f"{number:.{digits}f}"


if __name__ == "__main__":
    main()

"""What the search is for, at equal cost: the cell it finds within a budget, random cells, and the complete cell.

    python benchmarks/budget.py --raw cifar-10-batches-bin --folder budget --out benchmarks/results/budget.json

On a part of CIFAR-10, one thread. The search runs within the budget; then its answer, cells drawn at random from the
same space and the complete cell, each scaled to the same budget, are trained on more images for longer, under several
seeds (weights and images), and judged on images of the test split, which the search has not seen. Whatever was computed
is kept in FOLDER: the same command goes on where it was stopped.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from autoshrink.cells.cell import Cell
from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.params import Parameters, load
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Evaluation, EvaluationJob
from autoshrink.records.proposal import Proposal, ProposedSlot
from autoshrink.records.round import Round
from autoshrink.search import rounds
from autoshrink.search.space import random_cell
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of

NETWORK = "{stem_filters: 16, stem_stride: 2, base_filters: 16, channel_divisor: 1}"
NAME = rounds.SearchName(Task.CNN, "shrink", 0)


def parameters(arguments: argparse.Namespace, *, judging: bool) -> Parameters:
    """Return the parameters of the search, or of the trainings that judge what it found."""
    images, epochs = (arguments.judge_images, arguments.judge_epochs) if judging else (150, 3)
    return load(
        [],
        [
            f"seed={arguments.seed}",
            f"paths={{data: '{arguments.folder}/data', store: '{arguments.folder}/store'}}",
            f"datasets.cifar10.folder='{arguments.raw}'",
            f"search.cnn={{nodes: 5, k: 4, operators: [{', '.join(arguments.operators)}]}}",
            f"search.cnn.objective.budget={{macs: {arguments.macs}}}",
            f"training.cnn={{dataset: cifar10, network: {NETWORK}}}",
            f"proxy.cnn={{dataset: cifar10, network: {NETWORK}, train_per_class: {images}}}",
            f"proxy.cnn.validation_per_class={400 if judging else 100}",
            f"proxy.cnn.training={{epochs: {epochs}, batch_size: 64, learning_rate: 0.004}}",
            "proxy.cnn.early_stop={floor_accuracy: 0.0, patience: 100, loss_ratio: 100.0}",
            f"paper_defects.validation_from_test_split={'true' if judging else 'false'}",
        ],
    )


def evaluated(
    how: Parameters, proposal: Path, count: int, out: Path, repeat: int | None = None
) -> dict[int, Evaluation]:
    """Return the evaluations of a proposal; what the store has is not trained again."""
    if not out.exists():
        store = Store(Path(how.paths.store))
        data = address.folder(how, "cifar10")
        engine.evaluate(how, Task.CNN, proposal, range(count), data, store, out, _say, repeat, data)
    return EvaluationJob.read(out).by_slot


def search(how: Parameters, folder: Path) -> Best:
    """Run the search and return its answer."""
    states = [folder / "round-00.json"]
    rounds.start(how, NAME, states[0])
    for number, jobs in enumerate(rounds.plan(how, Task.CNN), 1):
        proposal = folder / f"proposal-{number:02d}.json"
        rounds.propose(how, NAME, states[-1], proposal)
        count = jobs[-1].stop
        found = evaluated(how, proposal, count, folder / f"evaluations-{number:02d}.json")
        states.append(folder / f"round-{number:02d}.json")
        rounds.select(how, NAME, states[-2], proposal, found, states[-1])
    rounds.best(NAME, states, folder / "best.json")
    return Best.read(folder / "best.json")


def compared(how: Parameters, cells: dict[str, Cell], seeds: int, folder: Path) -> dict[str, list[float]]:
    """Return the test accuracies of the cells, a value per seed."""
    slots = tuple(
        ProposedSlot(
            slot=slot, cell=cell, canonical=cell.canonical(), key=cell.key, origin=name, removed=(), fidelity=None
        )
        for slot, (name, cell) in enumerate(cells.items())
    )
    proposal = folder / "judged.json"
    Proposal(task=Task.CNN, search=str(NAME), round=1, candidates=slots).write(proposal)
    found: dict[str, list[float]] = {name: [] for name in cells}
    for repeat in range(1, seeds + 1):
        by_slot = evaluated(how, proposal, len(cells), folder / f"judged-{repeat}.json", repeat)
        for slot, name in enumerate(cells):
            found[name].append(float(by_slot[slot].metrics["accuracy"] or 0.0))
    return found


def interval(values: Sequence[float]) -> str:
    """Return mean and half-width of the 95 % interval (Student), in points."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):.2f} ± {100 * half:.2f}"


def _say(event: engine.Event) -> None:
    if event.done:
        print(f"slot {event.slot}: {event.metrics.get('accuracy')}{' (kept)' if event.reused else ''}", flush=True)


def main() -> None:
    """Run, write the figures, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="Folder of CIFAR-10's official files.")
    parser.add_argument("--folder", type=Path, required=True, help="Where data and evaluations are kept.")
    parser.add_argument("--out", type=Path, required=True, help="Where the figures go (JSON).")
    parser.add_argument("--macs", type=int, default=600_000, help="The budget.")
    parser.add_argument("--operators", nargs="+", default=["separable_conv_3x3", "conv_1x1"], help="The space.")
    parser.add_argument("--random", type=int, default=4, help="Random cells.")
    parser.add_argument("--seeds", type=int, default=3, help="Seeds of each judging training.")
    parser.add_argument("--seed", type=int, default=2020, help="Root seed of the search.")
    parser.add_argument("--judge-images", type=int, default=500, help="Training images per class when judging.")
    parser.add_argument("--judge-epochs", type=int, default=6, help="Epochs when judging.")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    how = parameters(arguments, judging=False)
    spec, data = spec_of(Task.CNN), address.manifest(how, "cifar10")
    if not data.exists():
        spec.prepare("cifar10", how.datasets["cifar10"], data.parent, arguments.folder / "downloads", how.seed)
    best = search(how, arguments.folder)
    operators = Round.read(arguments.folder / "round-00.json").state.cell.operators[1:]
    cells = {"found": best.cell, "complete": Cell.complete(operators)}
    for number in range(arguments.random):
        draws = rounds.SearchName(Task.CNN, "random", number).draws(how.seed)
        seen = [cell.key for cell in cells.values()]
        cells[f"random {number + 1}"] = random_cell(operators, draws, "benchmark", seen)
    found = compared(parameters(arguments, judging=True), cells, arguments.seeds, arguments.folder)
    fitted = EvaluationJob.read(arguments.folder / "judged-1.json").by_slot
    rows: list[dict[str, Any]] = []
    for slot, (name, cell) in enumerate(cells.items()):
        fit = fitted[slot].fitted
        assert fit is not None
        costs = {cost: fit.costs[cost] for cost in ("macs", "parameters")}
        rows.append({"cell": name, "key": cell.key, "width": fit.width, **costs, "accuracy": found[name]})
    drawn = [values for name, values in found.items() if name.startswith("random")]
    means = [statistics.mean(values) for values in zip(*drawn, strict=True)]
    gains = {
        "random": [a - b for a, b in zip(found["found"], means, strict=True)],
        "complete": [a - b for a, b in zip(found["found"], found["complete"], strict=True)],
    }
    settings = {name: str(value) for name, value in vars(arguments).items() if name not in ("raw", "folder", "out")}
    arguments.out.write_text(json.dumps({"settings": settings, "rows": rows, "gains": gains}, indent=1) + "\n")
    print("| cell | test accuracy | MACs | parameters |\n| --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['cell']}: `{row['key']}` | {interval(row['accuracy'])} | {row['macs']:,} | {row['parameters']:,} |"
        )
    for name, values in gains.items():
        print(f"found less {name}, paired by seed: {interval(values)} points")


if __name__ == "__main__":
    main()

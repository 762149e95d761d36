"""Strategies against random search by real training: the default CNN proxy on mnist5k, at equal candidate-epochs.

    autoshrink prepare mnist5k --params params.default.yaml
    python -m benchmarks.real_searches --folder real-searches --out benchmarks/results/real-searches.csv

Every search trains as many candidates as shrinking would, 9 rounds of up to 4. What its answer is worth is the score,
accuracy weighed against MACs, of the mean accuracy under ``REPEATS`` seeds that no search has seen, which redraw data
and weights; the score that made it the answer is biased, for it was the highest of many. The same command goes on where
it was interrupted, and writes what is done; trainings that two searches share are made once and count for both.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import click

from autoshrink import params
from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.evaluation import EvaluationJob
from autoshrink.records.proposal import Proposal, ProposedSlot
from autoshrink.records.round import Round
from autoshrink.runtime import devices, numerics
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.study import statistics
from autoshrink.tasks import address
from autoshrink.tasks.vision.objective import image_score
from autoshrink.workflow.layout import Layout

STRATEGIES = ("random", "progressive", "local", "metagraph")
REPEATS = 4
CONFIDENCE = 0.95
COLUMNS = ("strategy", "seed", "trainings", "epochs", "seen", "quality", "macs", "score", "cell")
Row = dict[str, str | int | float]


def search(parameters: Parameters, name: SearchName, folder: Path) -> Row:
    """Run one search through its files, and judge its answer."""
    layout = Layout.of(parameters).at(folder).search(name.task, name)
    data, store = address.folder(parameters, parameters.proxy.cnn.dataset), Store(folder / "store")
    if not layout.round(0).state.exists():
        rounds.start(parameters, name, layout.round(0).state)
    count = len(rounds.strategy_of(parameters, name.task, name.strategy).slots())
    for number in range(1, count + 1):
        before, here = layout.round(number - 1).state, layout.round(number)
        if here.state.exists():
            continue
        slots = rounds.propose(parameters, name, before, here.proposal)
        out = here.evaluations(0)
        engine.evaluate(parameters, name.task, here.proposal, range(slots), data, store, out, lambda event: None)
        rounds.select(parameters, name, before, here.proposal, EvaluationJob.read(out).by_slot, here.state)
    states = [layout.round(number).state for number in range(1, count + 1)]
    rounds.best(name, states, layout.best)
    best, trained = Best.read(layout.best), [item for path in states for item in Round.read(path).candidates]
    quality, macs = _judged(parameters, best, layout.best.parent, data, store), int(best.costs["macs"])
    return {
        "strategy": name.strategy,
        "seed": name.seed,
        "trainings": len(trained),
        "epochs": sum(item.epochs for item in trained),
        "seen": float(best.metrics["accuracy"] or 0.0),
        "quality": quality,
        "macs": macs,
        "score": round(image_score(parameters.search.cnn.objective, quality, macs), 5),
        "cell": best.key,
    }


def _judged(parameters: Parameters, best: Best, folder: Path, data: Path, store: Store) -> float:
    """Return the answer's mean accuracy under seeds that no search has seen."""
    canonical = best.cell.canonical()
    slot = ProposedSlot(
        slot=0, cell=canonical, canonical=canonical, key=best.key, origin="the answer", removed=(), fidelity=None
    )
    proposal, found = folder / "answer.json", []
    Proposal(task=best.task, search=best.search, round=0, candidates=(slot,)).write(proposal)
    for repeat in range(1, REPEATS + 1):
        out = folder / f"answer-{repeat}.json"
        engine.evaluate(parameters, best.task, proposal, range(1), data, store, out, lambda event: None, repeat)
        found.append(float(EvaluationJob.read(out).by_slot[0].metrics["accuracy"] or 0.0))
    return statistics.mean(found)


def told(rows: Sequence[Row]) -> list[str]:
    """Return a line per strategy: its answers' score, and how far it is from random search's on the same seeds."""
    by = {name: {row["seed"]: float(row["score"]) for row in rows if row["strategy"] == name} for name in STRATEGIES}
    lines = []
    for name, found in by.items():
        pairs = sorted(found.keys() & by["random"].keys())
        if len(pairs) < 2:
            continue
        test = statistics.paired([by["random"][seed] for seed in pairs], [found[seed] for seed in pairs], CONFIDENCE)
        mean, away = statistics.mean([found[seed] for seed in pairs]), test.difference
        lines.append(
            f"{name}: {mean:.4f} over {len(pairs)} seeds, {away.mean or 0:+.4f} from random "
            f"({away.low or 0:+.4f} to {away.high or 0:+.4f}), better in {test.wins}, worse in "
            f"{test.losses}, p = {test.t:.2f}"
        )
    return lines


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where searches and their store go.")
@click.option("--seeds", default=5, show_default=True, help="Searches per strategy.")
@click.option("--strategies", default=",".join(STRATEGIES), show_default=True, help="Random search, and others.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file to write.")
def main(folder: Path, seeds: int, strategies: str, out: Path) -> None:
    """Run all searches, seed by seed, and say after each seed how they compare."""
    parameters = params.load([], ["tasks=[cnn]", "search.cnn.finalists=null"])
    numerics.apply(parameters.compute.numerics)
    devices.set_threads(1)
    rows: list[Row] = []
    for seed in range(seeds):
        for strategy in strategies.split(","):
            rows.append(search(parameters, SearchName(Task.CNN, strategy, seed), folder))
            with out.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            click.echo(rows[-1])
        click.echo("\n".join(told(rows)))


if __name__ == "__main__":
    main()

"""Strategies against random search by real training: the default CNN proxy on mnist5k, at equal candidate-epochs.

    autoshrink prepare mnist5k --params params.default.yaml
    python -m benchmarks.real_searches --folder real-searches --out real-searches.csv

Every search trains as many candidates as shrinking would, 9 rounds of up to 4. What its answer is worth is the score,
accuracy weighed against MACs, of the mean accuracy under ``REPEATS`` seeds that no search has seen, which redraw data
and weights; the score that made it the answer is biased, for it was the highest of many. The same command goes on where
it was interrupted, and writes what is done; trainings that two searches share are made once and count for both.
"""

import csv
from collections.abc import Mapping, Sequence
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
from benchmarks import tables

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
    """Return a line per strategy that was run: its answers' quality, and how far it is from random search's on the same
    seeds, where that was run too."""
    by: dict[str, dict[int, float]] = {}
    for row in rows:
        by.setdefault(str(row["strategy"]), {})[int(row["seed"])] = float(row["quality"])
    reference = by.get("random", {})
    lines = []
    for name, found in by.items():
        line = f"{name}: {100 * statistics.mean(list(found.values())):.2f} % over {len(found)} seeds"
        pairs = sorted(found.keys() & reference.keys())
        if name != "random" and len(pairs) > 1:
            test = statistics.paired([reference[seed] for seed in pairs], [found[seed] for seed in pairs], CONFIDENCE)
            away = test.difference
            line += (
                f", {100 * (away.mean or 0):+.2f} points from random ({100 * (away.low or 0):+.2f} to "
                f"{100 * (away.high or 0):+.2f}), better in {test.wins}, worse in {test.losses}, p = {test.t:.2f}, "
                f"{len(pairs)} pairs"
            )
        lines.append(line)
    return lines


def table(path: Path) -> list[Mapping[str, str]]:
    """Return the rows that an earlier run wrote. Raises ClickException where ``path`` is another file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise click.ClickException(f"--out {path}: is no table of this benchmark; name another file")
        return list(reader)


def add(path: Path, row: Row) -> None:
    """Append ``row``, unless the table has it. Raises ClickException where it has another of the strategy and seed."""
    written = {key: str(value) for key, value in row.items()}
    for one in table(path):
        if (one["strategy"], one["seed"]) == (written["strategy"], written["seed"]):
            if dict(one) != written:
                raise click.ClickException(
                    f"--out {path}: has another result of {row['strategy']}, seed {row['seed']}; name another file"
                )
            return
    tables.append(path, COLUMNS, [row])


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where searches and their store go.")
@click.option("--seeds", default=5, show_default=True, help="Searches per strategy.")
@click.option("--strategies", default=",".join(STRATEGIES), show_default=True, help="Random search, and others.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file to append to.")
def main(folder: Path, seeds: int, strategies: str, out: Path) -> None:
    """Run all searches, seed by seed, and say after each seed how they compare."""
    table(out)  # another file is told before anything is trained
    parameters = params.load([], ["tasks=[cnn]", "search.cnn.finalists=null"])
    numerics.apply(parameters.compute.numerics)
    devices.set_threads(1)
    rows: list[Row] = []
    for seed in range(seeds):
        for strategy in strategies.split(","):
            rows.append(search(parameters, SearchName(Task.CNN, strategy, seed), folder))
            add(out, rows[-1])
            click.echo(rows[-1])
        click.echo("\n".join(told(rows)))


if __name__ == "__main__":
    main()

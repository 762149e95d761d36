"""The study's searches in one process, on one thread, without Snakemake: its table for little CPU time.

    python -m benchmarks.study --data data --folder study --seeds 3 --set search.cnn.k=2 \\
        --strategies shrink,grow,firefly,random,evolution --out benchmarks/results/study-cnn-firefly.csv

Proposals, evaluations, rounds and store are the pipeline's own, and so are all numbers; they are kept in FOLDER, where
the same command goes on. Searches go seed by seed, so that all strategies have as many at any time.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
from scipy import stats

from autoshrink import params
from autoshrink.cells.cell import Cell, Edge
from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.evaluation import read_round
from autoshrink.records.record import Number
from autoshrink.records.round import Round
from autoshrink.runtime import devices, numerics
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.study import comparison, page, traces
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import SearchFolder


def search(parameters: Parameters, name: SearchName, data: Path, folder: Path) -> traces.Trace:
    """Run a search and return its trace."""
    place = SearchFolder(folder / name.task / str(name))
    rounds.start(parameters, name, place.round(0).state)
    plan = rounds.plan(parameters, name.task, name.strategy)
    for number, jobs in enumerate(plan, start=1):
        here, before = place.round(number), place.round(number - 1).state
        rounds.propose(parameters, name, before, here.proposal)
        slots, found = range(sum(map(len, jobs))), here.evaluations(0)
        engine.evaluate(parameters, name.task, here.proposal, slots, data, Store(folder), found, lambda event: None)
        rounds.select(parameters, name, before, here.proposal, read_round([found]), here.state)
    return traces.read(place, name, len(plan))


def predicted(name: SearchName, folder: Path) -> Iterator[tuple[float, float]]:
    """Yield, for each cell that a search grew by scored edges, their predicted gain and the accuracy gained."""
    before: tuple[dict[Edge, Number | None], Cell, Number] | None = None
    place = SearchFolder(folder / name.task / str(name))
    for number in range(1, len(list((folder / name.task / str(name)).glob("round-*")))):
        for item in Round.read(place.round(number).state).candidates:
            quality = item.metrics[spec_of(name.task).metric.name] or 0.0
            if before is not None:
                gains, cell, old = before
                added = set(item.cell.edges) - set(cell.edges)
                yield sum(gains[edge] or 0.0 for edge in added), quality - old
            gains = read_round([place.round(number).evaluations(0)])[item.slot].edge_gains(item.cell)
            before = gains, item.cell, quality


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), help="Folder of prepared data sets.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where what was computed is kept.")
@click.option("--task", type=click.Choice(list(Task)), default=Task.CNN, help="Whose cells are searched.")
@click.option("--strategies", required=True, help="Names, with commas; the others are tested against the first.")
@click.option("--seeds", default=3, show_default=True, help="Replicate labels, from 0.")
@click.option("--set", "changes", multiple=True, help="A parameter, as KEY=VALUE.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file to write.")
def main(
    data: Path, folder: Path, task: Task, strategies: str, seeds: int, changes: tuple[str, ...], out: Path
) -> None:
    """Run the searches and write the study's table after every seed from the second on."""
    chosen = strategies.split(",")
    wanted = [f"tasks=[{task}]", f"study.strategies=[{', '.join(chosen)}]", f"study.seeds={list(range(seeds))}"]
    parameters = params.load([], [*changes, *wanted])
    numerics.apply(parameters.compute.numerics)
    devices.set_threads(1)
    prepared = address.folder(parameters, spec_of(Task(task)).proxy(parameters).dataset, data)
    found: list[traces.Trace] = []
    for seed in range(seeds):
        for strategy in chosen:
            found.append(search(parameters, SearchName(Task(task), strategy, seed), prepared, folder))
            trace = found[-1]
            click.echo(f"{strategy}-{seed}: score {trace.answer}, {trace.trained} trained, {trace.total} epochs")
        if seed:
            in_order = sorted(found, key=lambda trace: (chosen.index(trace.strategy), trace.seed))
            result = comparison.compare(in_order, parameters.study, Task(task), "searches in one process")
            with tempfile.TemporaryDirectory() as name:
                page.write(result, Path(name))
                out.write_bytes((Path(name) / "study.csv").read_bytes())
            click.echo("\n".join(comparison.statements(result)))
    if "firefly" in chosen:
        names = [SearchName(Task(task), "firefly", seed) for seed in range(seeds)]
        pairs = [pair for name in names for pair in predicted(name, folder)]
        found_tau = stats.kendalltau(*zip(*pairs, strict=True))
        click.echo(f"{len(pairs)} added edges: Kendall's tau of predicted gain and quality gained: {found_tau}")


if __name__ == "__main__":
    main()

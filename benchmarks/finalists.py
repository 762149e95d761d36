"""Does evaluating finalists again find better cells, and at what extra cost?

    python -m benchmarks.finalists record --task cnn --nodes 4 --seeds 9 --out benchmarks/results/finalists-cnn.csv
    python -m benchmarks.finalists replay benchmarks/results/finalists-cnn.csv made \\
        --out benchmarks/results/finalists.csv

*record* trains every cell of a small space of a task's default proxy, under several seeds as finalists have them; the
same command goes on where it was interrupted. *replay* runs searches that look their evaluations up: each sees one
seed, its finalists others, and what its answer is truly worth is the mean of the seeds that neither has seen. The table
`made` has a landscape that is known, and noise of a given size, so that searches go by the hundred. *reliability* says
how well a few seeds rank the recorded cells as the others do.
"""

import argparse
import csv
import hashlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from autoshrink import params
from autoshrink.cells.cell import Cell
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.search import Finalists
from autoshrink.records.record import Numbers
from autoshrink.runtime import numerics, seeds
from autoshrink.search import finalists, registry
from autoshrink.search.draws import Draws
from autoshrink.search.objective import preference, score
from autoshrink.search.rounds import SearchName, section_of
from autoshrink.search.space import all_edges, draw_operators, subgraph
from autoshrink.search.strategy import Scored
from autoshrink.study.nas_bench import cell_of_key
from autoshrink.study.tables import MadeTable
from autoshrink.tasks.spec import spec_of
from benchmarks import tables

COLUMNS = ("task", "cell", "seed", "quality", "macs", "parameters", "seconds")
# of the made table, about what the default proxies' noise is
NOISES = (0.005, 0.01, 0.02, 0.03)
SETTINGS = [
    *(Finalists(count=count, repeats=2) for count in (2, 3, 4, 6)),
    *(Finalists(count=count, repeats=3) for count in (3, 4, 6)),
    Finalists(count=4, repeats=4),
    *(Finalists(count=count, repeats=3, rule="one_standard_error") for count in (4, 6)),
]


# every search of the recorded space begins with these operators, and removes edges of its own choice
def _operators(parameters: Parameters, task: Task) -> list[str]:
    section = section_of(parameters, task)
    return draw_operators(section, section.operators, SearchName(task, "shrink", 0).draws(parameters.seed))


def record(task: Task, nodes: int, count: int, data: Path, out: Path) -> None:
    """Train every cell under ``count`` seeds, seed by seed; rows are appended as they come."""
    parameters = params.load([], [f"search.{task}.nodes={nodes}"])
    numerics.apply(parameters.compute.numerics)
    import torch

    from autoshrink.runtime import devices
    from autoshrink.tasks import address

    spec = spec_of(task)
    recipe = spec.proxy(parameters)
    prepared = spec.load(address.folder(parameters, recipe.dataset, data))
    operators = _operators(parameters, task)
    edges = all_edges(operators)
    chosen = (part for size in range(len(edges) + 1) for part in itertools.combinations(edges, size))
    found = {cell.key: cell for cell in (subgraph(operators, part) for part in chosen)}
    cells = {key: cell for key, cell in found.items() if cell.edges or spec.runs_without_edges}
    done: set[tuple[str, int]] = set()
    if out.exists():
        with out.open() as file:
            done = {(row["cell"], int(row["seed"])) for row in csv.DictReader(file)}
    devices.set_threads(1)
    for number in range(count):
        seed = finalists.seed_of(parameters.seed, number) if number else parameters.seed
        drawn = spec.draw(prepared, parameters.model_copy(update={"seed": seed}))
        for key, cell in cells.items():
            if (key, number) in done:
                continue
            begun = time.process_time()
            own = seeds.derive(seed, f"evaluation/{task}/{key}")
            trial = spec.trial(cell.canonical(), recipe, drawn, own, torch.device("cpu"), True)
            while not trial.done:
                trial.run_epoch()
            result = trial.result()
            quality, seconds = result.metrics[spec.metric.name], round(time.process_time() - begun, 3)
            row = [task, key, number, quality, result.costs["macs"], result.costs["parameters"], seconds]
            tables.append(out, COLUMNS, [dict(zip(COLUMNS, row, strict=True))])
        print(f"seed {number + 1} of {count}: {len(cells)} cells", flush=True)


@dataclass(frozen=True)
class World:
    """Where a search's evaluations come from: ``look(cell, repeat)`` is a score, None where it has none, and what it
    cost; repeat 0 is what the rounds see. ``worth`` is what a cell is truly worth."""

    look: Callable[[Cell, int], tuple[float | None, float]]
    worth: Callable[[Cell, int], float]
    draws: Draws
    cluster: int
    """Searches of one cluster share evaluations."""


@dataclass(frozen=True)
class Outcome:
    """One search under one setting: what its answer is worth, without finalists and with them, what was said of it, and
    what it took."""

    cluster: int
    before: float
    after: float
    said_before: float
    said_after: float
    cost: float
    extra: float


def replay(parameters: Parameters, task: Task, world: World, settings: Sequence[Finalists]) -> list[Outcome]:
    """Run one search and choose its answer under each of the settings."""
    section = section_of(parameters, task)
    strategy = registry.make(section, section.operators, parameters.search.strategies[section.strategy])
    state = strategy.start(world.draws)
    found: dict[str, tuple[float, Cell]] = {}
    cost: dict[str, float] = {}
    for number, _ in enumerate(strategy.slots(), start=1):
        scored = []
        for candidate in strategy.propose(state, number, world.draws):
            value, took = world.look(candidate.cell, 0)
            cost[candidate.cell.key] = took
            scored.append(Scored(candidate, value))
            if value is not None:
                found.setdefault(candidate.cell.key, (value, candidate.cell))
        state = strategy.select(state, number, scored, world.draws).state
    order = sorted(found.values(), key=lambda entry: preference(*entry))
    outcomes = []
    for setting in settings:
        chosen = [cell for _, cell in order[: setting.count]]
        again = [[world.look(cell, repeat) for repeat in range(1, setting.repeats + 1)] for cell in chosen]
        values = [[value for value, _ in each if value is not None] for each in again]
        means = [statistics.fmean(each) if each else float("-inf") for each in values]
        best = max(range(len(chosen)), key=lambda slot: (means[slot], -slot))
        if setting.rule == "one_standard_error":
            error = (finalists.pooled(values) or 0.0) / setting.repeats**0.5
            near = [slot for slot in range(len(chosen)) if means[slot] >= means[best] - error]
            best = min(near, key=lambda slot: (cost[chosen[slot].key], -means[slot]))
        outcomes.append(
            Outcome(
                world.cluster,
                world.worth(order[0][1], setting.repeats),
                world.worth(chosen[best], setting.repeats),
                order[0][0],
                means[best],
                sum(cost.values()),
                sum(took for each in again for _, took in each),
            )
        )
    return outcomes


def recorded(path: Path, draws: int) -> tuple[Parameters, Task, list[World], str]:
    """Return the worlds of a recorded table: each seed in turn is what a search sees, in ``draws`` searches each."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    task = Task(rows[0]["task"])
    by_seed: dict[int, dict[str, dict[str, str]]] = {}
    for row in rows:
        by_seed.setdefault(int(row["seed"]), {})[row["cell"]] = row
    whole = max(len(found) for found in by_seed.values())
    numbers = sorted(seed for seed, found in by_seed.items() if len(found) == whole)  # a recording may be cut short
    nodes = 1 + max(len(key.split(";")) for key in by_seed[0])
    parameters = params.load([], [f"search.{task}.nodes={nodes}"])
    spec, section = spec_of(task), section_of(parameters, task)
    recipe = spec.proxy(parameters)
    cells: dict[str, Cell] = {}

    def look(cell: Cell, seed: int) -> tuple[float | None, float]:
        cells.setdefault(cell.key, cell)
        row = by_seed[seed][cell.key]
        quality = float(row["quality"]) if row["quality"] else None
        costs: Numbers = {"macs": int(row["macs"]), "parameters": int(row["parameters"])}
        metrics = {spec.metric.name: quality}
        return score(task, section.objective, recipe, cell, metrics, costs), float(row["seconds"])

    worlds = []
    for place, number in itertools.product(range(len(numbers)), range(draws)):
        order = [numbers[place], *seeds.shuffled(0, f"{place}/{number}", numbers[:place] + numbers[place + 1 :])]

        def worth(cell: Cell, repeats: int, order: Sequence[int] = order) -> float:
            values = [look(cell, seed)[0] for seed in order[1 + repeats :]]
            return statistics.fmean(value for value in values if value is not None)

        def seen(cell: Cell, repeat: int, order: Sequence[int] = order) -> tuple[float | None, float]:
            return look(cell, order[repeat])

        own = SearchName(task, "shrink", 0).draws(parameters.seed)
        worlds.append(World(seen, worth, Draws(own.root, f"{task}/replay-{number}", own.common), place))
    qualities = [[float(by_seed[seed][key]["quality"] or "nan") for seed in numbers] for key in by_seed[0]]
    noise = finalists.pooled([[value for value in each if value == value] for each in qualities])
    about = f"{path.name}: {whole} cells under {len(numbers)} seeds; standard deviation of a cell {noise:.3g}"
    return parameters, task, worlds, about


def resampled(path: Path, searches: int) -> tuple[Parameters, Task, list[World], str]:
    """Return worlds in which a recorded cell is truly worth its mean over all seeds, and an evaluation departs from
    that as one of its seeds does, drawn with replacement for every cell, search and repeat."""
    parameters, task, whole, about = recorded(path, 1)
    known: dict[str, tuple[list[float], float]] = {}

    def values(cell: Cell) -> tuple[list[float], float]:
        if cell.key not in known:
            # seed by seed: each world shows its rounds another one
            seen = [world.look(cell, 0) for world in whole]
            known[cell.key] = (
                [value for value, _ in seen if value is not None],
                statistics.fmean(took for _, took in seen),
            )
        return known[cell.key]

    def worth(cell: Cell, repeats: int) -> float:
        return statistics.fmean(values(cell)[0])

    worlds = []
    for number in range(searches):

        def look(cell: Cell, repeat: int, number: int = number) -> tuple[float | None, float]:
            scores, took = values(cell)
            drawn = seeds.choice(0, f"{number}/{repeat}/{cell.key}", scores)
            # residuals from a mean of so few are too small by this
            stretch = (len(scores) / (len(scores) - 1)) ** 0.5
            return statistics.fmean(scores) + stretch * (drawn - statistics.fmean(scores)), took

        common = whole[0].draws
        worlds.append(World(look, worth, Draws(common.root, f"{task}/replay-{number}", common.common), number))
    return parameters, task, worlds, f"resampled from {about.partition(';')[0]}"


def made(noise: float, searches: int) -> tuple[Parameters, Task, list[World], str]:
    """Return the worlds of the made table, whose test accuracy is taken for the truth, under normal noise."""
    parameters, task = params.load([], []), Task.CNN
    section, recipe = section_of(parameters, task), spec_of(task).proxy(parameters)
    table = MadeTable(section.operators)

    def value(cell: Cell, disturbance: float) -> float:
        entry = table.look_up(cell, None)
        accuracy = (entry.metrics["test"] or 0.0) + disturbance
        found = score(task, section.objective, recipe, cell, {"accuracy": accuracy}, entry.costs)
        assert found is not None
        return found

    worlds = []
    for number in range(searches):

        def look(cell: Cell, repeat: int, number: int = number) -> tuple[float | None, float]:
            digest = hashlib.sha256(f"{number}/{repeat}/{cell.key}".encode()).digest()
            chance = (int.from_bytes(digest[:6], "big") + 0.5) / 2**48
            return value(cell, noise * float(stats.norm.ppf(chance))), 1.0

        def worth(cell: Cell, repeats: int) -> float:
            return value(cell, 0.0)

        worlds.append(World(look, worth, SearchName(task, "shrink", number).draws(parameters.seed), number))
    return parameters, task, worlds, f"made: standard deviation of a cell {noise:g}"


def reliability(path: Path) -> Iterator[str]:
    """Yield how well the mean scores of a few seeds rank cells as those of the others do, over all cells and the better
    half of them."""
    _, _, whole, about = recorded(path, 1)
    yield about
    with path.open() as file:
        cells = {row["cell"]: cell_of_key(row["cell"]) for row in csv.DictReader(file)}
    found = np.array([[world.look(cell, 0)[0] for world in whole] for cell in cells.values()], dtype=float)
    better = np.argsort(-found.mean(1), kind="stable")[: len(cells) // 2]
    for name, scores in ((f"all {len(cells)} cells", found), (f"the better {len(better)}", found[better])):
        for count in range(1, 5):
            agreement = [
                stats.kendalltau(scores[:, list(some)].mean(1), np.delete(scores, some, 1).mean(1)).statistic
                for some in itertools.combinations(range(scores.shape[1]), count)
            ]
            yield f"{name}, {count} seeds against the others: Kendall's tau {np.mean(agreement):.2f}"


def rows(about: str, settings: Sequence[Finalists], found: Sequence[Sequence[Outcome]]) -> Iterator[dict[str, object]]:
    """Yield a row per setting: means over searches, the paired gain with its 95 % interval over clusters."""
    for setting, outcomes in zip(settings, zip(*found, strict=True), strict=True):
        gains: dict[int, list[float]] = {}
        for item in outcomes:
            gains.setdefault(item.cluster, []).append(item.after - item.before)
        means = [statistics.fmean(each) for each in gains.values()]
        half = float(stats.t.ppf(0.975, len(means) - 1)) * statistics.stdev(means) / len(means) ** 0.5

        def mean(name: str, outcomes: Sequence[Outcome] = outcomes) -> float:
            return float(np.mean([getattr(item, name) for item in outcomes]))

        yield {
            "table": about,
            "searches": len(outcomes),
            "count": setting.count,
            "repeats": setting.repeats,
            "rule": setting.rule,
            "true score without": round(mean("before"), 5),
            "true score with": round(mean("after"), 5),
            "gain": round(statistics.fmean(means), 5),
            "gain low": round(statistics.fmean(means) - half, 5),
            "gain high": round(statistics.fmean(means) + half, 5),
            "better": sum(item.after > item.before for item in outcomes),
            "worse": sum(item.after < item.before for item in outcomes),
            "claimed too much without": round(mean("said_before") - mean("before"), 5),
            "claimed too much with": round(mean("said_after") - mean("after"), 5),
            "extra cost": round(mean("extra") / mean("cost"), 3),
        }


def main() -> None:
    """Record, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    recording = ways.add_parser("record")
    recording.add_argument("--task", type=Task, default=Task.CNN, choices=list(Task))
    recording.add_argument("--nodes", type=int, default=4)
    recording.add_argument("--seeds", type=int, default=9)
    recording.add_argument("--data", type=Path, default=Path("data"), help="Folder of prepared data sets.")
    recording.add_argument("--out", type=Path, required=True)
    replaying = ways.add_parser("replay")
    replaying.add_argument("tables", nargs="+", help="made, or files that record wrote.")
    replaying.add_argument("--draws", type=int, default=8, help="Searches for each seed of a recorded table.")
    replaying.add_argument("--searches", type=int, default=400, help="Searches on the made table.")
    replaying.add_argument("--out", type=Path, required=True)
    ranking = ways.add_parser("reliability")
    ranking.add_argument("table", type=Path, help="A file that record wrote.")
    arguments = parser.parse_args()
    if arguments.way == "reliability":
        print("\n".join(reliability(arguments.table)))
        return
    if arguments.way == "record":
        record(arguments.task, arguments.nodes, arguments.seeds, arguments.data, arguments.out)
        return
    sources = []
    for table in arguments.tables:
        if table == "made":
            sources += [made(noise, arguments.searches) for noise in NOISES]
        else:
            sources += [recorded(Path(table), arguments.draws), resampled(Path(table), arguments.searches)]
    lines: list[Mapping[str, object]] = []
    for parameters, task, worlds, about in sources:
        lines += rows(about, SETTINGS, [replay(parameters, task, world, SETTINGS) for world in worlds])
        print("\n".join(str(list(line.values())) for line in lines[-len(SETTINGS) :]), flush=True)
    with arguments.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()

"""Strategies for tight limits on tables that others have trained, against random search at equal cost.

    python -m benchmarks.strategies --macro nas-bench-macro_cifar10.json --nats nats_bench.csv \\
        --out benchmarks/results/strategies.csv

``--macro`` is NAS-Bench-Macro's file (6,561 networks, CIFAR-10). ``--nats`` holds NATS-Bench's topology space, which is
NAS-Bench-201's (15,625 networks), as a CSV file of its strings and mean test accuracies after 200 epochs on CIFAR-10,
CIFAR-100 and ImageNet16-120, columns named as in ``ACCURACIES``: what a search sees there is a mean, and is what its
answer is judged by. Costs of NAS-Bench-201's networks are counted here from their definition.

100 searches of 100 trainings per strategy and setting; shrinking has fewer, for it ends when nothing is left.
``progressive`` was tuned on NAS-Bench-Macro, free and within 1 M parameters and 40 M MACs: those two rows judge it by
what it was made with, the others do not.
"""

import csv
import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from autoshrink import params
from autoshrink.params.base import Task
from autoshrink.records.study import StrategyTest
from autoshrink.study import comparison, replay

STRATEGIES = ("random", "shrink", "evolution", "local", "metagraph", "progressive")
TRAININGS, K = 100, 10
ACCURACIES = {
    "cifar10": ("CIFAR10TestAccuracy200Epochs", 10),
    "cifar100": ("CIFAR100TestAccuracy200Epochs", 100),
    "imagenet16-120": ("ImageNetTestAccuracy200Epochs", 120),
}
CELLS_PER_STAGE, CHANNELS, SIDE = 5, 16, 32
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
MACRO_LIMITS: tuple[Mapping[str, float], ...] = (
    {},
    {"max_params": 1_000_000, "max_macs": 40_000_000},
    {"max_arena_bytes": 131_072, "max_flash_bytes": 750_000},
)
NATS_LIMITS: tuple[Mapping[str, float], ...] = ({}, {"max_params": 300_000, "max_macs": 40_000_000})
COLUMNS = [
    "table", "limits", "networks_within", "strategy", "searches", "trainings", "answered", "within_limits", "accuracy",
    "test_accuracy", "pairs", "difference", "low", "high", "better", "worse", "p_adjusted",
]  # fmt: skip


def nats_costs(text: str, classes: int) -> tuple[int, int]:
    """Return the MACs and parameters (batch norm's included) of a NAS-Bench-201 network: a 3 x 3 stem of 16 channels,
    three stages of five cells, residual blocks that double the channels between them, a classifier."""
    kernels = [kernel for name, kernel in KERNELS.items() for _ in range(text.count(name))]
    macs = 3 * CHANNELS * 9 * SIDE**2
    parameters = 3 * CHANNELS * 9 + 2 * CHANNELS
    for stage in range(3):
        channels, area = CHANNELS * 2**stage, (SIDE // 2**stage) ** 2
        weights = sum(channels**2 * kernel**2 for kernel in kernels)
        macs += CELLS_PER_STAGE * weights * area
        parameters += CELLS_PER_STAGE * (weights + 2 * channels * len(kernels))
        if stage:
            half = channels // 2
            block = half * channels * 9 + channels**2 * 9 + half * channels
            macs += block * area
            parameters += block + 4 * channels
    channels = CHANNELS * 4
    # the last batch norm, and the classifier with its biases
    return macs + (channels + 1) * classes, parameters + 2 * channels + (channels + 1) * classes


def nats_table(source: Path, dataset: str, path: Path) -> list[tuple[int, int]]:
    """Write a table that ``autoshrink study`` reads; return the costs of its networks."""
    column, classes = ACCURACIES[dataset]
    found = []
    with source.open(newline="") as file, path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["cell", "accuracy", "test", "macs", "parameters"])
        for row in csv.DictReader(file):
            text = row["ArchitectureString"]
            found.append(nats_costs(text, classes))
            writer.writerow([text, row[column], row[column], *found[-1]])
    return found


def settings(limits: Mapping[str, float]) -> list[str]:
    """Return the settings of a study under these limits, on accuracy alone."""
    rounds = [
        f"search.strategies.{name}.rounds={TRAININGS // K}"
        for name in ("random", "evolution", "local", "metagraph", "progressive")
    ]
    objective = [f"search.cnn.objective.{key}={value}" for key, value in limits.items()]
    chosen = f"study.strategies=[{', '.join(STRATEGIES)}]"
    return [
        *rounds,
        *objective,
        chosen,
        f"search.cnn.k={K}",
        "search.cnn.objective.macs_weight=0",
        "study.budgets=[1.0]",
    ]


def rows(table: str, source: Path, limits: Mapping[str, float], within: int, seeds: int, workers: int) -> Iterator[Any]:
    """Yield a row for each strategy."""
    parameters = params.load([], settings(limits))
    objective = parameters.search.cnn.objective
    traces = replay.study(parameters, str(source), STRATEGIES, range(seeds), workers, click.echo, own=True)
    result = comparison.compare(traces, parameters.study, Task.CNN, table)
    against = {item.strategy: item for item in result.tests[-1].against}
    for name in STRATEGIES:
        found = [trace for trace in traces if trace.strategy == name]
        answers = [trace for trace in found if trace.costs is not None]
        obeying = [
            trace
            for trace in answers
            if trace.costs is not None and all(trace.costs[cost] <= most for cost, most in objective.limits.items())
        ]
        mean = [100 * sum(values) / len(values) for values in zip(
            *((trace.answer or 0.0, trace.quality or 0.0) for trace in answers), strict=True)]  # fmt: skip
        test = against.get(name)
        yield {
            "table": table,
            "limits": " ".join(f"{key}={value}" for key, value in limits.items()) or "none",
            "networks_within": within,
            "strategy": name,
            "searches": len(found),
            "trainings": round(sum(trace.trained for trace in found) / len(found), 1),
            "answered": len(answers),
            "within_limits": len(obeying),
            "accuracy": f"{mean[0]:.2f}",
            "test_accuracy": f"{mean[1]:.2f}",
            **({} if test is None else _test(test)),
        }


def _test(test: StrategyTest) -> dict[str, Any]:
    points = {key: f"{100 * getattr(test.difference, key):+.2f}" for key in ("mean", "low", "high")}
    return {
        "pairs": test.pairs,
        "difference": points["mean"],
        "low": points["low"],
        "high": points["high"],
        "better": test.wins,
        "worse": test.losses,
        "p_adjusted": f"{test.t_adjusted:.2g}",
    }


@click.command()
@click.option("--macro", type=click.Path(exists=True, path_type=Path), help="NAS-Bench-Macro's file.")
@click.option("--nats", type=click.Path(exists=True, path_type=Path), help="NATS-Bench's strings and accuracies.")
@click.option("--seeds", default=100, show_default=True, help="Searches per strategy.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file to write.")
def main(macro: Path | None, nats: Path | None, seeds: int, workers: int, out: Path) -> None:
    """Compare the strategies on each table, within each set of limits."""
    with tempfile.TemporaryDirectory() as name, out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()

        def compare(table: str, source: Path, limits: Mapping[str, float], within: int) -> None:
            writer.writerows(rows(table, source, limits, within, seeds, workers))
            file.flush()

        if macro is not None:
            from autoshrink.study import macro as definition

            networks = [definition.costs(blocks) for blocks in itertools.product(definition.BLOCKS, repeat=8)]
            for limits in MACRO_LIMITS:
                bounds = params.load([], settings(limits)).search.cnn.objective.limits
                within = sum(all(one[cost] <= most for cost, most in bounds.items()) for one in networks)
                compare("nas-bench-macro", macro, limits, within)
        for dataset in ACCURACIES if nats is not None else ():
            assert nats is not None
            path = Path(name) / f"nas-bench-201-{dataset}.csv"
            costs = nats_table(nats, dataset, path)
            for limits in NATS_LIMITS:
                most = limits.get("max_macs", 1e18), limits.get("max_params", 1e18)
                within = sum(macs <= most[0] and parameters <= most[1] for macs, parameters in costs)
                compare(f"nas-bench-201 {dataset}", path, limits, within)


if __name__ == "__main__":
    main()

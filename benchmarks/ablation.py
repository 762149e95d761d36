"""What an operator, a wiring or a number of the network brings at equal cost: variants trained by the final recipe.

    python -m benchmarks.ablation --params photos.yaml --task cnn --variants variants.yaml --seeds 5 \
        --folder ablation --out benchmarks/results/ablation.csv

VARIANTS is YAML: a name for each variant, its cell and what its network has other than `training.TASK.network`. The
first is the baseline.

    plain:  {cell: "conv_1x1(0);separable_conv_3x3(0,1)"}
    head:   {cell: "conv_1x1(0);separable_conv_3x3(0,1)", network: {head_filters: 64}}
    mobile: {cell: mobilenet_v2}

A cell is a key, a file, a released cell's name or a reference's (`mobilenet_v2`, `gru`). Every network is scaled to
`search.TASK.objective.budget` and trained on one core under the same seeds; its quality is that of the training data
that the recipe holds out, so that the test split stays closed. A training is a row: the same command trains what OUT
lacks, whatever else stands there, and goes on inside a training that was stopped; rows of another recipe, data set,
code or definition of a variant are not shown. The table has means with Student's 95 % intervals, differences from the
baseline paired by seed, and their p-values adjusted by Holm.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells import released
from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import operators_of
from autoshrink.cli import cell_argument
from autoshrink.errors import ParameterError, UserError, meant
from autoshrink.evidence import references
from autoshrink.files import artifacts, markdown
from autoshrink.files.artifacts import Json
from autoshrink.params import Parameters, load
from autoshrink.params.base import Task
from autoshrink.params.loading import read
from autoshrink.params.sections import UNTRACED, TaskTraining, sections_of
from autoshrink.records.history import TrainingHistory
from autoshrink.records.proposal import said
from autoshrink.records.study import Interval, Paired
from autoshrink.runtime import numerics
from autoshrink.study.nas_bench import cell_of_key
from autoshrink.tasks import address, availability, code, sufficiency
from autoshrink.tasks.spec import Metric, spec_of

from . import tables

if TYPE_CHECKING:
    from autoshrink.evaluation.budget import Fitting

COLUMNS = (
    "task",
    "dataset",
    "budget",
    "recipe",
    "variant",
    "cell",
    "network",
    "seed",
    "quality",
    "epochs",
    "macs",
    "parameters",
    "cpu_seconds",
    "identity",
)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Variant:
    """A body, and what the network around it has other than the recipe's."""

    name: str
    body: Body
    network: Mapping[str, Any]


def variants(path: Path, task: Task, nodes: int) -> list[Variant]:
    """Return the variants of a file, in its order. Raises UserError, in one line, on what is none."""
    found = []
    for name, entry in read(path).items():
        if not isinstance(entry, dict) or "cell" not in entry or not entry.keys() <= {"cell", "network"}:
            raise ParameterError(f"{path}: {name}: expected {{cell: ..., network: {{...}}}}, found {entry!r}")
        found.append(Variant(name, body_of(str(entry["cell"]), task, nodes), entry.get("network") or {}))
    if len(found) < 2:
        raise ParameterError(f"{path}: holds {len(found)} variants; accepted: a baseline and one more at least")
    return found


def body_of(name: str, task: Task, nodes: int) -> Body:
    """Return the body of a key, a file, a released cell's name or a reference's."""
    if "(" in name:
        return cell_of_key(name).canonical()
    if name in released.cells() or name in released.names() or Path(name).is_file():
        return cell_argument.find(name).canonical()
    known = [each for each in sections_of(task).known_references if each not in ("complete", "chain")]
    if name not in known:
        accepted = f"a key, a file, {', '.join(dict.fromkeys((*released.cells(), *known)))}"
        raise ParameterError(f"cell {name!r}: is none{meant(name, known)}; accepted: {accepted}")
    return spec_of(task).known_body(name, nodes)


@dataclass(frozen=True)
class Planned:
    """A variant's network at the budget, what it costs, and its recipe."""

    variant: Variant
    recipe: TaskTraining
    costs: Mapping[str, float]
    budget: str
    identity: Mapping[str, Any]
    """What a training depends on besides its seed."""

    def key(self, seed: int) -> str:
        """Return the digest that a row is known by."""
        return artifacts.digest_of({**self.identity, "seed": seed})


def planned(parameters: Parameters, task: Task, chosen: Sequence[Variant]) -> list[Planned]:
    """Return the networks of the variants. Raises UserError where the data or the budget do not allow for them."""
    from autoshrink.evaluation.budget import Fitting

    spec = spec_of(task)
    recipe = spec.training(parameters)
    data = address.folder(parameters, recipe.dataset)
    if not (data / address.MANIFEST).exists():
        raise UserError(
            f"data set {recipe.dataset!r}: is not prepared; run `autoshrink prepare {recipe.dataset}` first"
        )
    if not spec.holds_out(recipe):
        raise UserError(f"training.{task}: holds no training data out, and the test split stays closed")
    fitting = Fitting(parameters, task, data, Path(parameters.paths.store))
    files = [data / address.MANIFEST, *availability.side_inputs(parameters, "training", task)]
    shared = {
        "data": [artifacts.digest_of_file(path) for path in files],
        "numerics": numerics.effective(parameters.compute.numerics),
    }
    found = []
    for variant in chosen:
        network, costs = at_budget(fitting, variant)
        own = spec.fitted(recipe, network)
        training = own.model_dump(mode="json", exclude=UNTRACED)
        operators = () if isinstance(variant.body, KnownBlock) else operators_of(variant.body.key)
        by = code.digest(task, "load", "train", operators=operators)
        identity = {**shared, "code": by, "cell": variant.body.key, "training": training}
        found.append(Planned(variant, own, costs, json.dumps(fitting.limits), identity))
    return found


def trainings(
    parameters: Parameters, task: Task, plan: Sequence[Planned], seeds: range, folder: Path, out: Path
) -> Iterator[dict[str, Any]]:
    """Train each variant under each seed unless ``out`` has the row, and yield the new rows as they come.

    Seed by seed, so that an ablation that is stopped has as many pairs as can be.
    """
    spec = spec_of(task)
    dataset = spec.training(parameters).dataset
    prepared = spec.load(address.folder(parameters, dataset))
    done = {row["identity"] for row in rows_of(out)}
    for number in seeds:
        seed = references.seed_of(parameters, number)
        for one in plan:
            identity = one.key(seed)
            if identity in done:
                continue
            begun = time.process_time()
            here = folder / identity[:16]
            spec.train(one.variant.body, one.recipe, prepared, here, seed, parameters.compute, lambda event: None)
            history = TrainingHistory.read(here / "history.json")
            assert history.chosen_epoch is not None, "the recipe holds data out"
            row = {
                "task": task,
                "dataset": dataset,
                "budget": one.budget,
                "recipe": recipe_digest(parameters, task),
                "variant": one.variant.name,
                "cell": one.variant.body.key,
                "network": json.dumps(one.variant.network),
                "seed": number,
                "quality": history.epochs[history.chosen_epoch][f"validation_{spec.metric.name}"],
                "epochs": len(history.epochs),
                "macs": one.costs["macs"],
                "parameters": one.costs["parameters"],
                "cpu_seconds": round(time.process_time() - begun, 1),
                "identity": identity,
            }
            tables.append(out, COLUMNS, [row])
            done.add(identity)
            yield row


def rows_of_plan(parameters: Parameters, plan: Sequence[Planned], out: Path) -> list[dict[str, str]]:
    """Return the rows of these very trainings, variant by variant; those of another definition of a variant, recipe,
    data set or code are left out."""
    found = rows_of(out)
    return [
        {**row, "variant": one.variant.name}
        for one in plan
        for row in found
        if row["identity"] == one.key(references.seed_of(parameters, int(row["seed"])))
    ]


def recipe_digest(parameters: Parameters, task: Task) -> str:
    """Return what tells the trainings of other parameters or data apart, which one table may hold beside each other."""
    recipe = spec_of(task).training(parameters)
    data = address.folder(parameters, recipe.dataset) / address.MANIFEST
    about = {"training": recipe.model_dump(mode="json"), "data": artifacts.digest_of_file(data)}
    return artifacts.digest_of(about)[:16]


def at_budget(fitting: "Fitting", variant: Variant) -> tuple[Json, Mapping[str, float]]:
    """Return a variant's network and costs: of a cell the widest within the budget; of a reference, whose widths have
    gaps, the nearest to it."""
    if isinstance(variant.body, KnownBlock):
        spec = spec_of(fitting.task)
        network = spec.training(fitting.parameters).network.changed(variant.network)
        tolerance = spec.references(fitting.parameters).tolerance
        made, costs = references.at_cost(
            fitting.task, variant.body, network, fitting.example, fitting.limits, tolerance
        )
        return made.model_dump(mode="json"), costs
    fitted = fitting.fit(variant.body, variant.network)
    if fitted.margin < 0:
        raise UserError(f"{variant.name}: no width of it is within {json.dumps(fitting.limits)}")
    return dict(fitted.network), fitted.costs


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table of trainings; none where it is not there yet."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(rows: Sequence[Mapping[str, str]], baseline: str) -> str:
    """Return the table of one data set and budget in Markdown: mean, interval, and difference from the baseline.

    A perplexity is compared by its logarithm, so that its mean is geometric and a difference a share of it.
    """
    from autoshrink.study import statistics

    metric = spec_of(Task(rows[0]["task"])).metric
    by_variant: dict[str, dict[int, float]] = {}
    for row in rows:
        by_variant.setdefault(row["variant"], {})[int(row["seed"])] = _outcome(metric, float(row["quality"]))
    first = by_variant[baseline]
    others = [name for name in by_variant if name != baseline]
    found: dict[str, Paired] = {}
    values: list[list[str]] = []
    for name in others:
        shared = sorted(first.keys() & by_variant[name].keys())
        if len(shared) > 1:
            pairs = [[outcomes[seed] for seed in shared] for outcomes in (first, by_variant[name])]
            found[name] = statistics.paired(pairs[0], pairs[1], CONFIDENCE)
    adjusted = dict(zip(found, statistics.holm([float(pair.t) for pair in found.values()]), strict=True))
    for name in (baseline, *others):
        own = [row for row in rows if row["variant"] == name]
        pair = found.get(name)
        values.append(
            [
                name,
                str(len(by_variant[name])),
                _interval(metric, statistics.interval(list(by_variant[name].values()), CONFIDENCE)),
                "" if pair is None else _difference(metric, pair.difference),
                f"{adjusted[name]:.3f}" if name in adjusted else "",
                f"{int(float(own[0]['macs'])):,}",
                f"{int(float(own[0]['parameters'])):,}",
                own[0]["cell"],
                said(json.loads(own[0]["network"])),
            ]
        )
    heading = ["variant", "seeds", f"held-out {metric.name}", f"against {baseline}", "p (Holm)", "MACs", "parameters"]
    return markdown.table([*heading, "cell", "its network"], values)


def _outcome(metric: Metric, quality: float) -> float:
    return -math.log(quality) if metric.is_perplexity else quality


def _interval(metric: Metric, found: Interval) -> str:
    values = [value for value in (found.mean, found.low, found.high) if value is not None]
    mean, *ends = [math.exp(-value) if metric.is_perplexity else 100 * value for value in values]
    unit = "" if metric.is_perplexity else " %"
    return f"{mean:.2f}{unit}" + (f" ({min(ends):.2f} to {max(ends):.2f})" if ends else "")


def _difference(metric: Metric, found: Interval) -> str:
    """Return by how many points, or per cent of a perplexity (less is better), it is above the baseline."""
    values = [value for value in (found.mean, found.low, found.high) if value is not None]
    mean, *ends = [100 * (math.exp(-value) - 1 if metric.is_perplexity else value) for value in values]
    return f"{mean:+.2f} {'%' if metric.is_perplexity else 'points'} ({min(ends):+.2f} to {max(ends):+.2f})"


def main() -> None:
    """Train what is lacking, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, action="append", default=[], help="File of parameters; may be repeated.")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="KEY.PATH=VALUE; may be repeated.")
    parser.add_argument("--task", type=Task, choices=list(Task), required=True)
    parser.add_argument("--variants", type=Path, required=True, help="YAML: name: {cell: ..., network: {...}}.")
    parser.add_argument("--only", nargs="+", help="Variants to train now; left out: all.")
    parser.add_argument("--seeds", type=int, default=5, help="Trainings of each variant; 0 prints the table alone.")
    parser.add_argument("--folder", type=Path, required=True, help="Where models and checkpoints are kept.")
    parser.add_argument("--out", type=Path, required=True, help="The rows (CSV).")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except UserError as error:
        parser.exit(2, f"{error}\n")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks for. Raises UserError."""
    parameters, task = load(arguments.params, arguments.settings), arguments.task
    spec = spec_of(task)
    section = spec.search(parameters)
    if section.objective.budget is None:
        raise ParameterError(f"search.{task}.objective.budget = null: variants are compared at equal cost; set one")
    chosen = variants(arguments.variants, task, section.nodes)
    names = [variant.name for variant in chosen]
    wanted = arguments.only or names
    if unknown := [name for name in wanted if name not in names]:
        raise ParameterError(f"--only {unknown[0]}: is none of {arguments.variants}{meant(unknown[0], names)}")
    sufficiency.check(parameters)
    numerics.apply(parameters.compute.numerics)  # before anything imports numpy
    plan = planned(parameters, task, chosen)
    asked = [one for one in plan if one.variant.name in wanted]
    for row in trainings(parameters, task, asked, range(arguments.seeds), arguments.folder, arguments.out):
        print(", ".join(str(row[key]) for key in ("variant", "seed", "quality", "macs", "cpu_seconds")), flush=True)
    rows = rows_of_plan(parameters, plan, arguments.out)
    if any(row["variant"] == names[0] for row in rows):
        print(summary(rows, names[0]))


if __name__ == "__main__":
    main()

"""The verbs ``train`` and ``test``: train the final model and measure it."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from autoshrink.cli import options
from autoshrink.cli.curves import Curves, folder_of
from autoshrink.cli.progress import Lines, reported
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.evaluation import Fitted
from autoshrink.records.metrics import FinalMetrics, KeptBudget, ModelMetrics, ProxyFacts, TestDetails
from autoshrink.records.progress import leading
from autoshrink.runtime import preemption
from autoshrink.tasks import address, availability
from autoshrink.tasks.spec import Metric, spec_of
from autoshrink.training.events import EpochEnded, Grown, Resumed, TrainingEvent, Working
from autoshrink.workflow.layout import ModelFolder


class Told:
    """Tells a training's progress: lines for people, records for ``status``, curves for TensorBoard."""

    def __init__(self, model: Path, epochs: int, metric: Metric, lines: Lines) -> None:
        self._curves = Curves(folder_of(model))
        self._epochs, self._metric, self._lines = epochs, metric, lines

    def __enter__(self) -> "Told":
        self._curves.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._curves.__exit__(kind, error, at)

    def __call__(self, event: TrainingEvent) -> None:
        """Report an event of the training loop."""
        lines, epochs = self._lines, self._epochs
        self._curves.add(event)
        match event:
            case Grown(growth):
                layers = f", and {growth.layers} new layers" if growth.layers else ""
                said = f"grew by {growth.new} new and {growth.split} split neurons{layers}"
                gains = {"gain": growth.gain, "predicted_gain": growth.predicted_gain}
                lines.say("grown", message=said, numbers=gains)
            case Resumed(epoch, checkpoint):
                lines.resume(epoch / epochs)
                lines.say("resumed", message=checkpoint, epoch=epoch + 1, epochs=epochs)
            case Working(epoch, done, rates):
                left = lines.remaining(done)
                lines.say("working", epoch=epoch + 1, epochs=epochs, seconds_left=left, numbers=rates)
            case EpochEnded(entry, done):
                left, numbers = lines.remaining(done), leading(entry, self._metric.name)
                lines.say("epoch", epoch=event.epoch + 1, epochs=epochs, seconds_left=left, numbers=numbers)


@click.command(short_help="Train the best cell's network with the full recipe.")
@options.parameters
@options.task
@click.option("--cell", required=True, metavar="FILE|NAME", help="A best-cell or cell file, or a released cell's name.")
@options.data
@options.out("the model (a folder)")
@reported
def train(
    files: tuple[Path, ...], settings: tuple[str, ...], task: str, cell: str, data: Path | None, out: Path, lines: Lines
) -> None:
    """Train a cell's network with the full recipe. Interrupted, the same command resumes from the last checkpoint.

    With TensorBoard installed, `tensorboard --logdir results/logs` shows a run's curves.

    \b
    Example:
      autoshrink train --task cnn --cell results/cnn/shrink-0/best.json --out model
    """
    from autoshrink.cli import cell_argument

    parameters = options.load(files, settings)
    chosen = cell_argument.find(cell)
    spec = spec_of(Task(task))
    if (stages := spec.stages(parameters)) > 1 and len(chosen.stages) == 1:
        raise UserError(
            f"--cell {cell}: is one cell for all stages, but search.{task}.cells = per_stage asks for {stages}, one "
            f"per stage; accepted: the best.json of such a search, or search.{task}.cells = shared"
        )
    preemption.listen()
    recipe = spec.training(parameters)
    fitted = cell_argument.fitted(cell)
    if fitted is not None:
        recipe = spec.fitted(recipe, fitted.network)
    data = data or address.folder(parameters, recipe.dataset)

    model = ModelFolder(out)
    # a released cell's name is no file, and part of the code
    inputs = [Path(cell), data / address.MANIFEST, *availability.side_inputs(parameters, "training", Task(task))]
    about: Any = {"parameters": parameters, "task": Task(task), "subject": {"cell": chosen.key}}
    draws = list(spec.training_draws)
    with (
        step("train", model.description, inputs=inputs, draws=draws, computes=True, **about) as doing,
        Told(out, recipe.epochs, spec.metric, lines) as told,
    ):
        spec.train(chosen.canonical(), recipe, spec.load(data), out, parameters.seed, parameters.compute, told)
        doing.outputs += [model.description, model.weights, model.history]
    click.echo(f"{task}: trained, in {out}")


@click.command(short_help="Measure the final model on the test split, once.")
@options.parameters
@options.task
@click.option("--search", metavar="STRATEGY-SEED", help="Which search's answer it is, such as shrink-0.")
@click.option("--start", type=options.FILE, help="The search's round 0, to compare costs with.")
@click.option("--best", type=options.FILE, help="The search's best cell.")
@options.data
@click.option("--model", type=options.FOLDER, required=True, help="The trained model.")
@options.out("the metrics")
@reported
def test(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str | None,
    start: Path | None,
    best: Path | None,
    data: Path | None,
    model: Path,
    out: Path,
    lines: Lines,
) -> None:
    """Measure the final model on the test split, which nothing else reads, and its cost beside the complete cell's.

    A model that `autoshrink train` made by itself, of a released cell or of any other, belongs to no search: leave out
    --search, --start and --best. Written into the model's folder as metrics.json, its numbers stand on its card.

    \b
    Examples:
      autoshrink test --task cnn --search shrink-0 --start round-00/round.json --best best.json \\
        --model model --out metrics.json
      autoshrink test --task cnn --model model --out model/metrics.json
    """
    parameters = options.load(files, settings)
    if search is None and start is None and best is None:
        _test_alone(parameters, Task(task), data, model, out)
        return
    if search is None or start is None or best is None:
        raise UserError("--search, --start and --best belong together: give all three, or none for a model by itself")
    from autoshrink.records.best import Best
    from autoshrink.records.round import Round
    from autoshrink.search import rounds

    spec = spec_of(Task(task))
    recipe = spec.training(parameters)
    data = data or address.folder(parameters, recipe.dataset)
    name = rounds.SearchName.parse(task, search)
    trained = ModelFolder(model)
    inputs = [start, best, data / address.MANIFEST, trained.description, trained.weights]
    about: Any = {"parameters": parameters, "task": name.task, "subject": name.to_json()}
    with step("test", out, inputs=inputs, computes=True, **about) as doing:
        chosen = rounds.read(Best, best, name)
        # every strategy starts with all nodes, though not with all edges
        complete = rounds.space_of(parameters, name, rounds.read(Round, start, name).state.cell).whole()
        prepared = spec.load(data)
        example = spec.example(prepared, recipe)
        tested = spec.test(model, prepared, parameters.compute)
        network = spec.model.of(model).network
        costs = spec.count(chosen.cell, network, example)[0]
        details = out.with_name("test-details.json")
        TestDetails(task=name.task, search=str(name), details=tested.predictions).write(details)
        FinalMetrics(
            task=name.task,
            search=str(name),
            seed=parameters.seed,
            seed_name=f"{parameters.seed}/{name.task}/{name}",
            dataset=recipe.dataset,
            round=chosen.round,
            cell=chosen.cell,
            key=chosen.cell.key,
            proxy=ProxyFacts(score=chosen.score, metrics=chosen.metrics, costs=chosen.costs),
            metrics=tested.metrics,
            costs=costs,
            complete_costs=spec.count(complete, recipe.network, example)[0],
            budget=None if chosen.fitted is None else _kept(chosen.fitted, costs),
        ).write(out)
        doing.outputs += [out, details]
    kept = FinalMetrics.read(out).budget
    if kept is not None:
        for key, share in kept.margins.items():
            click.echo(f"{name.task}/{name}: {100 * share:.1f} % below its budget, {kept.limits[key]:,} {key}")
    for key, value in tested.metrics.items():
        click.echo(
            f"{name.task}/{name}: {key.replace('_', ' ')} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
        )


def _test_alone(parameters: Parameters, task: Task, data: Path | None, folder: Path, out: Path) -> None:
    """Measure a model that belongs to no search."""
    from autoshrink.inference import models

    trained, spec = models.find(folder, task), spec_of(task)
    data = data or trained.data
    models.require_data(trained, data)
    description, model = trained.description, ModelFolder(trained.folder)
    inputs = [data / address.MANIFEST, model.description, model.weights]
    about: Any = {"parameters": parameters, "task": task, "subject": {"cell": trained.cell.key}}
    with step("test", out, inputs=inputs, computes=True, **about):
        prepared = spec.load(data)
        tested = spec.test(trained.folder, prepared, parameters.compute)
        costs, complete = models.costs(trained, prepared)
        assert description.weights_sha256 is not None
        ModelMetrics(
            task=task,
            seed=description.origin.seed,
            dataset=trained.dataset,
            key=trained.cell.key,
            weights_sha256=description.weights_sha256,
            metrics=tested.metrics,
            costs=costs,
            complete_costs=complete,
        ).write(out)
    for key, value in tested.metrics.items():
        click.echo(
            f"{trained.name}: {key.replace('_', ' ')} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
        )


def _kept(fitted: Fitted, costs: Mapping[str, int]) -> KeptBudget:
    """Return how far below its budget the trained network stays. Raises UserError where it does not.

    Counts are made again; what the search traced or measured is taken from the search.
    """
    final = {**fitted.costs, **costs}
    margins = {name: 1.0 - final[name] / limit for name, limit in fitted.limits.items()}
    for name, margin in margins.items():
        if margin < 0:
            raise UserError(
                f"the final network has {final[name]:,} {name}, and the search's budget is {fitted.limits[name]:,}; "
                "train it again (autoshrink train)"
            )
    return KeptBudget(limits=fitted.limits, margins=margins)

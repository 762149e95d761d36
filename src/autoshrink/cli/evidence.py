"""The verbs of the verdict: train and test references, judge, and show the judgement."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoshrink.cli import options
from autoshrink.cli.progress import Lines, reported
from autoshrink.cli.step import step
from autoshrink.errors import ArtifactError, UserError
from autoshrink.records.verdict import FOUND
from autoshrink.runtime import preemption
from autoshrink.tasks import address, availability
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from autoshrink.cells.body import Body
    from autoshrink.evidence.references import Found
    from autoshrink.params import Parameters
    from autoshrink.params.base import Section
    from autoshrink.search.rounds import SearchName

best_file = click.option("--best", type=options.FILE, required=True, help="The search's best cell.")
reference_name = click.option("--reference", required=True, metavar="NAME", help="The reference, or found.")


@click.command(short_help="Train a reference at the found network's cost.")
@options.parameters
@options.task
@options.search
@reference_name
@click.option(
    "--training",
    required=True,
    metavar="seed-N|rate-N",
    help="Which of its trainings: under a seed, or with one of references.TASK.learning_rates.",
)
@best_file
@click.option("--start", type=options.FILE, required=True, help="The search's round 0, whose operators cells take.")
@options.data
@click.option("--rate", type=options.FILE, help="The learning rate that was chosen.  [default: the recipe's]")
@options.out("the folder model")
@reported
def train_reference(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    reference: str,
    training: str,
    best: Path,
    start: Path,
    data: Path | None,
    rate: Path | None,
    out: Path,
    lines: Lines,
) -> None:
    """Scale a reference in width to the found network's cost, and train it by the same recipe and seed.

    Interrupted, the same command resumes from the last checkpoint.

    \b
    Example:
      autoshrink train-reference --task cnn --search shrink-0 --reference mobilenet_v2 --training seed-0 \\
        --best best.json --start round-00/round.json --out evidence/mobilenet_v2/seed-0
    """
    from autoshrink.cli.training import Told
    from autoshrink.evidence import references
    from autoshrink.records.reference import ChosenRate, ReferenceNetwork
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    kind, _, digits = training.partition("-")
    if kind not in ("seed", "rate") or not (digits.isascii() and digits.isdigit()):
        raise UserError(f"--training {training!r}: expected seed-N or rate-N")
    number = int(digits)
    preemption.listen()
    spec = spec_of(name.task)
    recipe, chosen = spec.training(parameters), spec.references(parameters)
    if kind == "rate" and number >= len(chosen.learning_rates):
        raise UserError(f"--training {training}: references.{task}.learning_rates has {len(chosen.learning_rates)}")
    data = data or address.folder(parameters, recipe.dataset)
    inputs = [best, start, data / address.MANIFEST, *availability.side_inputs(parameters, "training", name.task)]
    factor = chosen.learning_rates[number] if kind == "rate" else chosen.learning_rates[0]
    if rate is not None:
        inputs.append(rate)
        factor = ChosenRate.read(rate).belonging_to(name.task, search, rate).learning_rate
    repetition = number if kind == "seed" else 0
    seed = references.seed_of(parameters, repetition)
    about: Any = {
        "parameters": parameters,
        "task": name.task,
        "subject": {**name.to_json(), "reference": reference, "training": training},
        "draws": [*spec.training_draws, *([f"evidence/{repetition}"] if repetition else [])],
    }
    model = out / "model"
    with (
        step("train-reference", model / "model.json", inputs=inputs, computes=True, **about) as doing,
        Told(model, recipe.epochs, spec.metric, lines) as told,
    ):
        prepared = spec.load(data)
        found = _found(parameters, name, best, start)
        body: Body = found.cell
        network: Any = found.network
        if reference != FOUND:
            scaled = references.scaled(parameters, found, reference, spec.example(prepared, recipe))
            scaled = ReferenceNetwork.model_validate({**dict(scaled), "learning_rate": factor})
            scaled.write(model / "network.json")
            doing.outputs.append(model / "network.json")
            body, network = references.network_of(scaled, parameters)
        if reference == FOUND:
            own = recipe.model_copy(update={"network": network, "learning_rate": recipe.learning_rate * factor})
        else:
            own = spec.reference_recipe(recipe, network, factor)
        spec.train(body, own, prepared, model, seed, parameters.compute, told)
        doing.outputs += [model / name for name in ("model.json", "model.safetensors", "history.json")]
    click.echo(f"{task}/{search}: {reference} trained, in {model}")


@click.command(short_help="Keep the learning rate that is best on validation data.")
@options.parameters
@options.task
@options.search
@reference_name
@options.out("the choice")
@click.argument("histories", nargs=-1, required=True, type=options.FILE)
def choose_rate(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    reference: str,
    out: Path,
    histories: tuple[Path, ...],
) -> None:
    """Keep the best of references.TASK.learning_rates, from the history of a training with each.

    \b
    Example:
      autoshrink choose-rate --task rnn --search shrink-0 --reference lstm --out rate.json \\
        rate-0/model/history.json rate-1/model/history.json
    """
    from autoshrink.evidence import learning_rates
    from autoshrink.records.history import TrainingHistory
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    spec = spec_of(name.task)
    rates = spec.references(parameters).learning_rates
    if len(histories) != len(rates):
        raise UserError(f"{len(histories)} histories for the {len(rates)} of references.{task}.learning_rates")
    subject = {**name.to_json(), "reference": reference}
    with step("choose-rate", out, inputs=histories, parameters=parameters, task=name.task, subject=subject):
        chosen = learning_rates.choose(parameters, name, reference, [TrainingHistory.read(path) for path in histories])
        chosen.write(out)
    click.echo(f"{task}/{search}: {reference}: {chosen.learning_rate:g} times the recipe's learning rate")


@click.command(short_help="Measure a network's trainings on the test split.")
@options.parameters
@options.task
@options.search
@reference_name
@best_file
@click.option("--network", type=options.FILE, help="The reference's network.json; the found network has none.")
@click.option("--rate", type=options.FILE, help="The learning rate that was chosen.")
@options.data
@options.out("the test; the outcomes stand beside it")
@click.argument("models", nargs=-1, required=True, type=options.FOLDER)
def test_reference(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    reference: str,
    best: Path,
    network: Path | None,
    rate: Path | None,
    data: Path | None,
    out: Path,
    models: tuple[Path, ...],
) -> None:
    """Measure a network's models, seed by seed, on the test split, example by example, and what the network costs.

    \b
    Example:
      autoshrink test-reference --task cnn --search shrink-0 --reference mobilenet_v2 --best best.json \\
        --network seed-0/model/network.json --out test.json seed-0/model
    """
    import numpy as np

    from autoshrink.evidence import measuring, references, verdict
    from autoshrink.files import artifacts
    from autoshrink.records.best import Best
    from autoshrink.records.reference import ChosenRate, NetworkTest, ReferenceNetwork, SeedResult
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    spec = spec_of(name.task)
    recipe = spec.training(parameters)
    data = data or address.folder(parameters, recipe.dataset)
    inputs = [best, data / address.MANIFEST, *(file for file in (network, rate) if file is not None)]
    inputs += [model / file for model in models for file in ("model.json", "model.safetensors")]
    about: Any = {"parameters": parameters, "task": name.task, "subject": {**name.to_json(), "reference": reference}}
    with step("test-reference", out, inputs=inputs, computes=True, **about) as doing:
        prepared = spec.load(data)
        example = spec.example(prepared, recipe)
        factor = 1.0 if rate is None else ChosenRate.read(rate).belonging_to(name.task, search, rate).learning_rate
        body: Any
        if network is None:
            body, section = rounds.read(Best, best, name).cell, spec.model.of(models[0]).network
        else:
            record = ReferenceNetwork.read(network).belonging_to(name.task, search, network)
            body, section = references.network_of(record, parameters)
        values_SE = np.stack([spec.outcomes(model, prepared, parameters.compute) for model in models])
        if not np.isfinite(values_SE).all():
            raise UserError(
                f"{task}/{search}: {reference}: some test examples have no finite probability; its training diverged: "
                f"lower training.{task}.learning_rate, or try several references.{task}.learning_rates"
            )
        beside = out.with_name("outcomes.npy")
        with artifacts.replacing(beside) as file:
            np.save(file, values_SE.astype(np.float32), allow_pickle=False)
        results = tuple(
            SeedResult(
                repetition=number,
                quality=verdict.metric_of(spec.metric, float(values_E.astype(np.float64).mean())),
            )
            for number, values_E in enumerate(values_SE)
        )
        NetworkTest(
            task=name.task,
            search=search,
            name=reference,
            dataset=recipe.dataset,
            examples=values_SE.shape[1],
            costs=measuring.costs(name.task, body, section, example),
            learning_rate=factor,
            results=results,
        ).write(out)
        doing.outputs += [out, beside]
    told = ", ".join(f"{result.quality:.4f}" for result in results)
    click.echo(f"{task}/{search}: {reference}: {spec.metric.test_title} {told}")


@click.command(short_help="Judge the found network against the references.")
@options.parameters
@options.task
@options.search
@best_file
@click.option("--model", type=options.FOLDER, required=True, help="The found network's model.")
@click.option("--evidence", type=options.FOLDER, required=True, help="The folder of all networks' tests.")
@options.data
@options.out("the verdict")
def verdict(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    best: Path,
    model: Path,
    evidence: Path,
    data: Path | None,
    out: Path,
) -> None:
    """Judge the found network against each reference by paired tests, and measure all networks' latency on one thread.

    Latencies differ from run to run, so they are in the verdict's timing file.

    \b
    Example:
      autoshrink verdict --task cnn --search shrink-0 --best best.json --model model --evidence evidence \\
        --out evidence/verdict.json
    """
    from autoshrink.evidence import measuring, references, wording
    from autoshrink.evidence.outcomes import read
    from autoshrink.evidence.verdict import judge
    from autoshrink.records.best import Best
    from autoshrink.records.reference import NetworkTest, ReferenceNetwork
    from autoshrink.search import rounds
    from autoshrink.workflow.layout import EvidenceFolder, evidence_folder

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    spec = spec_of(name.task)
    recipe = spec.training(parameters)
    data = data or address.folder(parameters, recipe.dataset)
    names = [FOUND, *spec.references(parameters).networks]
    folders = [EvidenceFolder(evidence / evidence_folder(each)) for each in names]
    scaled = {each: folder.training("seed-0").network for each, folder in zip(names, folders, strict=True)}
    del scaled[FOUND]
    inputs = [best, data / address.MANIFEST, model / "model.json", *scaled.values()]
    inputs += [file for folder in folders for file in (folder.test, folder.outcomes)]
    about: Any = {"parameters": parameters, "task": name.task, "subject": {**name.to_json(), "networks": names}}
    with step("verdict", out, inputs=inputs, **about) as doing:
        tests = [NetworkTest.read(folder.test).belonging_to(name.task, search, folder.test) for folder in folders]
        found = judge(name, parameters, tests, [read(folder.outcomes) for folder in folders])
        found.write(out)
        networks: dict[str, tuple[Body, Section]] = {
            FOUND: (rounds.read(Best, best, name).cell, spec.model.of(model).network),
            **{each: references.network_of(ReferenceNetwork.read(path), parameters) for each, path in scaled.items()},
        }
        times, device = measuring.latencies(name.task, networks, spec.example(spec.load(data), recipe))
        doing.timing |= {"latency_ms": times, "latency_device": device}
    for sentence in wording.sentences(found):
        click.echo(sentence)


@click.command(short_help="Say whether what a run found beats its references.")
@click.argument("results", type=options.FOLDER)
def compare(results: Path) -> None:
    """Show the verdict of the finished run in RESULTS: for each search the networks, their quality and costs, and a
    sentence per reference. Strategies are compared by `study`, two runs by `report --against`.

    \b
    Example:
      autoshrink compare results
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from autoshrink.evidence import wording
    from autoshrink.records.timing import StepTiming
    from autoshrink.records.verdict import Verdict

    paths = sorted(results.glob("*/*/evidence/verdict.json"))
    if not paths:
        raise UserError(f"{results}: holds no verdict; run with references.TASK.networks, and wait for its end")
    terminal = Console(highlight=False)
    console = Console(highlight=False, width=None if terminal.is_terminal else 160)
    for path in paths:
        found = Verdict.read(path)
        heading, rows = wording.table(found, StepTiming.beside(path).latency_ms)
        shown = Table(title=f"{found.task} {found.search}, {found.dataset}", box=box.SIMPLE_HEAD, show_edge=False)
        for column, head in enumerate(heading):
            shown.add_column(head, justify="left" if column in (0, len(heading) - 1) else "right")
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
        for line in (*wording.sentences(found), *wording.notes(found)):
            click.echo(line)
        click.echo()


def _found(parameters: "Parameters", name: "SearchName", best: Path, start: Path) -> "Found":
    """Return the answer that references are measured against. Raises ArtifactError where a file is another search's."""
    from autoshrink.evidence.references import Found
    from autoshrink.records.best import Best
    from autoshrink.records.round import Round
    from autoshrink.search import rounds

    answer, first = rounds.read(Best, best, name), rounds.read(Round, start, name)
    if not first.state.cell.operators[1:]:
        raise ArtifactError(f"{start}: its cell has no operators; remove it and run again")
    spec = spec_of(name.task)
    recipe = spec.training(parameters)
    skeleton = network = recipe.network
    if answer.fitted is not None:
        network = spec.fitted(recipe, answer.fitted.network).network
        skeleton = spec.widened(skeleton, float(answer.fitted.width))
    space = rounds.space_of(parameters, name, first.state.cell)
    return Found(name, answer.cell.canonical(), network, space, skeleton)

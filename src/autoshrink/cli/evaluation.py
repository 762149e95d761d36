"""The verb ``evaluate``: train candidates on the proxy."""

from pathlib import Path
from typing import Any

import click

from autoshrink.cli import options
from autoshrink.cli.progress import Lines, reported
from autoshrink.cli.step import made_by, step
from autoshrink.errors import UserError
from autoshrink.lineage import agreement, graph
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.progress import leading
from autoshrink.tasks import address, availability, sufficiency
from autoshrink.tasks.spec import spec_of


@click.command(short_help="Train a proposal's candidates on the proxy, or take them from the store.")
@options.parameters
@options.task
@click.option("--proposal", type=options.FILE, required=True, help="The round's proposal.")
@click.option("--slots", required=True, metavar="FIRST:END", help="Which candidates, such as 0:2 for slots 0 and 1.")
@options.data
@options.final_data
@click.option("--store", type=options.FOLDER, required=True, help="The evaluations' store.")
@options.out("the evaluations")
@reported
def evaluate(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    proposal: Path,
    slots: str,
    data: Path | None,
    final_data: Path | None,
    store: Path,
    out: Path,
    lines: Lines,
) -> None:
    """Train a proposal's candidates from scratch on the proxy. Evaluations in the store are re-used.

    \b
    Example:
      autoshrink evaluate --task cnn --proposal round-01/proposal.json --slots 0:4 \\
        --store store --out round-01/evaluations-0.json
    """
    _evaluate(
        "evaluate", options.load(files, settings), Task(task), proposal, slots, data, final_data, store, out, lines
    )


@click.command(short_help="Evaluate finalists again under a seed of their own.")
@options.parameters
@options.task
@click.option("--proposal", type=options.FILE, required=True, help="The finalists.")
@click.option("--slots", required=True, metavar="FIRST:END", help="Which of them, such as 0:2 for slots 0 and 1.")
@click.option("--repeat", "number", type=click.IntRange(min=1), required=True, help="Which of their seeds, from 1.")
@options.data
@options.final_data
@click.option("--store", type=options.FOLDER, required=True, help="The evaluations' store.")
@options.out("the evaluations")
@reported
def repeat(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    proposal: Path,
    slots: str,
    number: int,
    data: Path | None,
    final_data: Path | None,
    store: Path,
    out: Path,
    lines: Lines,
) -> None:
    """Evaluate finalists again under another seed: new initial weights, a new draw of the proxy's data. Evaluations in
    the store are re-used.

    \b
    Example:
      autoshrink repeat --task cnn --proposal finalists/proposal.json --slots 0:2 --repeat 1 \\
        --store store --out finalists/evaluations-0.json
    """
    _evaluate(
        "repeat",
        options.load(files, settings),
        Task(task),
        proposal,
        slots,
        data,
        final_data,
        store,
        out,
        lines,
        number,
    )


def _evaluate(
    verb: str,
    parameters: Parameters,
    of: Task,
    proposal: Path,
    slots: str,
    data: Path | None,
    final_data: Path | None,
    store: Path,
    out: Path,
    lines: Lines,
    number: int | None = None,
) -> None:
    first, colon, end = slots.partition(":")
    if not (colon and first.isdigit() and end.isdigit() and int(first) < int(end)):
        raise UserError(f"--slots {slots}: expected FIRST:END with FIRST below END, such as 0:2")
    wanted = range(int(first), int(end))

    from autoshrink.evaluation import engine
    from autoshrink.evaluation.store import Store

    def tell(event: engine.Event) -> None:
        numbers = leading(event.metrics, spec_of(of).metric.name)
        lines.say(
            "candidate" if event.done else "epoch",
            slot=event.slot,
            epoch=event.epochs,
            epochs=event.limit,
            numbers=numbers,
            reused=event.reused if event.done else None,
        )

    sufficiency.check(parameters)  # also the final training's: its mistakes are not to show after the whole search
    kept = Store(store, lambda: made_by(parameters, of), agreement.Jobs(graph.run_of(out)))
    data = data or address.folder(parameters, spec_of(of).proxy(parameters).dataset)
    inputs = [proposal, data / address.MANIFEST, *availability.side_inputs(parameters, "proxy", of)]
    section = spec_of(of).search(parameters)
    by_final_recipe = number is not None and section.finalists is not None and section.finalists.recipe == "final"
    if by_final_recipe:
        inputs += availability.side_inputs(parameters, "training", of)
    if section.objective.budget is not None or by_final_recipe:
        final_data = final_data or address.folder(parameters, spec_of(of).training(parameters).dataset)
        inputs.append(final_data / address.MANIFEST)
    draws, subject = ["proxy", f"evaluation/{of}"], {"slots": slots}
    if number is not None:
        draws, subject = [f"finalists/repeat-{number}"], {**subject, "repeat": str(number)}
    about: Any = {"parameters": parameters, "task": of, "subject": subject, "draws": draws, "store": store}
    with step(verb, out, inputs=inputs, **about) as doing:
        reused, count, timing = engine.evaluate(
            parameters, of, proposal, wanted, data, kept, out, tell, number, final_data
        )
        slots_took = {slot: took.to_json() for slot, took in timing.items()}
        doing.timing.update(slots=slots_took, reused=reused, evaluations=count)
    click.echo(f"re-used {reused} of {count} evaluations")

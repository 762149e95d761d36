"""The verbs ``check`` and ``prepare``."""

from functools import partial
from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import made_by, step
from autoshrink.errors import UserError, meant
from autoshrink.files import places
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import Layout


@click.command(short_help="Check parameters and that the raw data is there.")
@options.parameters
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Of the final training; left out: as many as a plain run on this machine starts.",
)
def check(files: tuple[Path, ...], settings: tuple[str, ...], processes: int | None) -> None:
    """Check the parameters, that the raw data of the data sets they name is there, that the final training's processes
    can share its batches, and, once data is prepared, that there is enough of it, that the final training takes its
    first step, that the objective's limits can be met, and how long the run takes: by what earlier runs took, or by
    taking steps for a few seconds. Only measured latencies are written, which the store keeps.

    \b
    Example:
      autoshrink check --params params.yaml --params workflow/presets/paper.yaml
    """
    from autoshrink.evaluation import foresight
    from autoshrink.evidence import sufficiency as evidence
    from autoshrink.search import rounds
    from autoshrink.tasks import address, availability, rehearsal, sharing, sufficiency
    from autoshrink.workflow import resources, storage

    parameters = options.load(files, settings)
    storage.check(parameters)
    places.require_folders(Layout.of(parameters).roots)
    for line in availability.check(parameters):
        click.echo(line)
    for name in parameters.used_datasets:
        remark = getattr(sufficiency.prepared_manifest(parameters, name), "remark", None)
        if remark is not None:
            click.echo(f"datasets.{name}: {remark}", err=True)
    sufficiency.check(parameters)
    evidence.check(parameters)
    sharing.check(parameters, processes or resources.processes(parameters, {}) or 1)
    for line in (*rehearsal.check(parameters), *evidence.rehearse(parameters)):
        click.echo(line)
    for task in parameters.tasks:
        if chosen := spec_of(task).recipe_in_words(parameters):
            click.echo(f"{task}: the final training's augmentation: {chosen}")
        plan = rounds.plan(parameters, task)
        count = sum(len(slots) for job in plan for slots in job)
        click.echo(f"{task}: at most {len(plan)} rounds and {count} evaluations for each of {parameters.search.seeds}")
        foreseen = foresight.foresee(parameters, task)
        name = spec_of(task).proxy(parameters).dataset
        unknown = f"is known once the data is prepared: autoshrink prepare {name}"
        click.echo(f"{task}: how long it takes: {unknown if foreseen is None else foreseen.words()}")
        objective = rounds.section_of(parameters, task).objective
        final = address.folder(parameters, spec_of(task).training(parameters).dataset)
        if objective.budget is not None and (final / address.MANIFEST).exists():
            from autoshrink.evaluation.budget import Fitting

            Fitting(parameters, task, final, Path(parameters.paths.store), partial(made_by, parameters, task)).check()
            within = ", ".join(f"{name} {limit:,}" for name, limit in objective.budget.limits.items())
            board = parameters.boards[objective.budget.board].about if objective.budget.board else ""
            click.echo(f"{task}: cells can be scaled to the objective's budget ({within})")
            if board:
                click.echo(f"{task}: the budget is of the board {objective.budget.board}: {board}")
        data = address.folder(parameters, spec_of(task).proxy(parameters).dataset)
        if objective.is_limited and (data / address.MANIFEST).exists():
            from autoshrink.evaluation import limits

            store = Path(parameters.paths.store)
            limits.check_prepared(parameters, task, data, store, partial(made_by, parameters, task))
            click.echo(f"{task}: the cheapest cells are within the objective's limits")


@click.command(short_help="Prepare a data set: one checksummed form, with a manifest.")
@options.parameters
@click.argument("name")
@click.option("--out", type=options.FOLDER, help="Write it to another folder.  [default: DATA/NAME-ADDRESS]")
def prepare(files: tuple[Path, ...], settings: tuple[str, ...], name: str, out: Path | None) -> None:
    """Prepare the data set NAME, an entry of params.yaml's datasets: read, check, split, and write it with a manifest.

    It is written where runs under the same parameters look for it: to a folder in paths.data that is named after the
    data set and what it is made from, which is its settings, the seed and the code. The last line says which. In
    another folder your files are never overwritten: where one is in the way, it is named and nothing is written.

    \b
    Example:
      autoshrink prepare mnist5k
    """
    parameters = options.load(files, settings)
    entry = parameters.datasets.get(name)
    if entry is None:
        raise UserError(
            f"{name!r} is not an entry of datasets; accepted: {', '.join(sorted(parameters.datasets))}"
            f"{meant(name, parameters.datasets)}"
        )
    from autoshrink.evidence import sufficiency as evidence
    from autoshrink.lineage import preparing
    from autoshrink.tasks import address, rehearsal, sufficiency

    spec = spec_of(entry.task)
    home = address.folder(parameters, name)
    out = out or home
    manifest = out / address.MANIFEST
    preparing.check(out)
    draws = ["test-split", f"data/{name}"]
    with (
        step("prepare", manifest, parameters=parameters, dataset=name, draws=draws) as doing,
        preparing.inside(out) as folder,
    ):
        spec.prepare(name, entry, folder, Layout.of(parameters).downloads, parameters.seed)
        doing.outputs += preparing.put(folder, list(spec.load(folder).manifest.files), out)
    if out == home:
        # now that the data is known, and not after a whole search
        sufficiency.check(parameters)
        evidence.check(parameters, {name})
        rehearsal.check(parameters, {name})
        evidence.rehearse(parameters, {name})
    click.echo(f"{name}: prepared in {out}")

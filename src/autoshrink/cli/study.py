"""The verb ``study``: compare strategies over seeds."""

import sys
from pathlib import Path
from typing import Any

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Task

MOST_SEEDS = 10_000
"""More would tell no differences that matter: an interval's width falls with the square root of their number."""


@click.command(short_help="Compare strategies over seeds at equal cost.")
@options.parameters
@options.task
@click.option("--results", type=options.FOLDER, help="Compare the finished searches in this folder.")
@click.option(
    "--table", metavar="made|FILE", help="Look evaluations up: made (synthetic), or a .csv, .tfrecord or .json file."
)
@click.option(
    "--space",
    type=click.Choice(["cells", "own"]),
    default="cells",
    show_default=True,
    help="With --table: search cells, or the table's own choices (NAS-Bench-201's, NAS-Bench-Macro's).",
)
@click.option(
    "--seeds",
    type=click.IntRange(2, MOST_SEEDS),
    help="With --table: number of seeds, instead of study.seeds.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="With --table: processes.")
@options.out("the comparison (a folder)")
def study(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    results: Path | None,
    table: str | None,
    space: str,
    seeds: int | None,
    workers: int,
    out: Path,
) -> None:
    """Compare study.strategies over study.seeds at equal cost: table, anytime curves with bands, paired tests.

    Evaluations come from finished searches (`snakemake study` runs them all) or, for thousands of searches, from a
    table; strategies, scores and limits are the same. Bring your own table of NAS-Bench-101, NAS-Bench-201 or
    NAS-Bench-Macro; made is a synthetic one. With --space own, strategies choose the operators of the table's own
    places instead of a cell's edges.

    \b
    Example:
      autoshrink study --task cnn --table made --seeds 1000 --workers 2 --out study
    """
    from autoshrink.lineage import agreement
    from autoshrink.search import rounds
    from autoshrink.study import comparison, page, replay, traces
    from autoshrink.workflow.layout import Layout, RoundFolder

    parameters, of = options.load(files, settings), Task(task)
    chosen = parameters.study
    if (results is None) == (table is None):
        raise UserError("give either --results, the folder of finished searches, or --table, where to look up")
    if results is not None:
        names = rounds.study_searches(parameters, of)
        counts = {name.strategy: len(rounds.plan(parameters, of, name.strategy)) for name in names}
        layout = Layout.of(parameters).at(results)
        inputs = [
            layout.search(of, name).round(number).state
            for name in names
            for number in range(1, counts[name.strategy] + 1)
        ]
        subject: Json = {"searches": [str(name) for name in names]}
        draws: list[str] = []
        for path in inputs:
            agreement.check_files(RoundFolder(path.parent).written_evaluations())
        found = [traces.read(layout.search(of, name), name, counts[name.strategy]) for name in names]
        source = "training on the proxy"
    else:
        assert table is not None
        if of is not Task.CNN:
            raise UserError("--table: tables hold image cells; accepted: --task cnn")
        wanted = list(range(seeds)) if seeds else chosen.seeds
        inputs = [] if table == "made" else [Path(table)]
        subject, draws = {"table": table, "space": space, "seeds": len(wanted)}, [str(of)]
        count = len(chosen.strategies) * len(wanted)
        is_seen = sys.stderr.isatty()
        with click.progressbar(
            length=count, label=f"{count:,} searches", file=sys.stderr, show_pos=True, hidden=not is_seen
        ) as bar:
            found = replay.study(
                parameters, table, chosen.strategies, wanted, workers, click.echo, space == "own", bar.update
            )
        source = f"the table {Path(table).name}"
    about: Any = {"parameters": parameters, "task": of, "inputs": inputs, "subject": subject, "draws": draws}
    with step("study", out / "study.json", **about) as doing:
        result = comparison.compare(found, chosen, of, source)
        doing.outputs += page.write(result, out)
    for sentence in comparison.statements(result):
        click.echo(sentence)
    click.echo(f"{task}: compared, look at {out / 'index.html'}")

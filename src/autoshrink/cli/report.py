"""The verb that shows a run: tables, figures and the page."""

from pathlib import Path

import click

from autoshrink.cli import options


@click.command(short_help="Make the tables, figures and the page of a run.")
@options.parameters
@click.option("--results", type=options.FOLDER, required=True, help="The run's results.")
@options.out("the report (a folder)")
def report(files: tuple[Path, ...], settings: tuple[str, ...], results: Path, out: Path) -> None:
    """Make the tables, figures and the page of a run out of its artifacts.

    Example: autoshrink report --results results --out results/report
    """
    from autoshrink import report as room

    for path in room.build(results, out, options.load(files, settings)):
        click.echo(path)

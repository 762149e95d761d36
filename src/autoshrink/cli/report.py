"""The verb that shows a run: tables, figures and the page."""

from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.lineage import records


@click.command(short_help="Make the tables, figures and the page of a run.")
@options.parameters
@click.option("--results", type=options.FOLDER, required=True, help="The run's results.")
@options.out("the report (a folder)")
def report(files: tuple[Path, ...], settings: tuple[str, ...], results: Path, out: Path) -> None:
    """Make the tables, figures and the page of a run out of its artifacts.

    Example: autoshrink report --results results --out results/report
    """
    from autoshrink import report as room

    parameters = options.load(files, settings)
    # the finished searches' files; what stands in the report's own folder is none of them
    found = (path for task in parameters.tasks for path in sorted((results / task).rglob("*.json")))
    inputs = [path for path in found if not records.is_beside(path) and path.parent.name != "checkpoints"]
    with step("report", out / "report", inputs=inputs, parameters=parameters) as doing:
        doing.outputs += room.build(results, out, parameters)
    for path in doing.outputs:
        click.echo(path)

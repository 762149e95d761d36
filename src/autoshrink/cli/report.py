"""The verb that shows a run: tables, figures and the page."""

from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.lineage import records


@click.command(short_help="Make the tables, figures and the page of a run.")
@options.parameters
@click.option("--results", type=options.FOLDER, required=True, help="The run's results.")
@click.option("--compare", type=options.FOLDER, help="Another run's results: the page sets the two side by side.")
@options.out("the report (a folder)")
def report(files: tuple[Path, ...], settings: tuple[str, ...], results: Path, compare: Path | None, out: Path) -> None:
    """Make the tables, figures and the page of a run out of its artifacts.

    \b
    Examples:
      autoshrink report --results results --out results/report
      autoshrink report --results results --compare results-other --out comparison
    """
    from autoshrink import report as room

    parameters = options.load(files, settings)
    for run in (results, compare):
        if run and not any((run / task).is_dir() for task in parameters.tasks):
            raise UserError(f"{run}: holds no run; give the folder that params.yaml's paths.results names")
    # the finished searches' files; what stands in the report's own folder is none of them
    folders = [folder / task for folder in (results, compare) if folder for task in parameters.tasks]
    found = (path for folder in folders for path in sorted(folder.rglob("*.json")))
    inputs = [path for path in found if not records.is_beside(path) and path.parent.name != "checkpoints"]
    if parameters.report.counted_networks:
        inputs.append(results / "report" / "counted.json")
    with step("report", out / "report", inputs=inputs, parameters=parameters) as doing:
        doing.outputs += room.build(results, out, parameters, compare)
    for path in doing.outputs:
        click.echo(path)

"""The verb ``report``: tables, figures and the page of a run."""

from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.lineage import records
from autoshrink.workflow.layout import CHECKPOINTS, Layout


@click.command(short_help="Write the tables, figures and page of a run.")
@options.parameters
@click.option("--results", type=options.FOLDER, required=True, help="The run's results.")
@click.option("--against", type=options.FOLDER, help="Another run's results: the page sets the two side by side.")
@options.out("the report (a folder)")
def report(files: tuple[Path, ...], settings: tuple[str, ...], results: Path, against: Path | None, out: Path) -> None:
    """Write the tables, figures and page of a run from its artifacts.

    \b
    Examples:
      autoshrink report --results results --out results/report
      autoshrink report --results results --against results-other --out comparison
    """
    from autoshrink.report import build

    parameters = options.load(files, settings)
    for run in (results, against):
        if run and not any((run / task).is_dir() for task in parameters.tasks):
            raise UserError(f"{run}: holds no run; give the folder that params.yaml's paths.results names")
    # the finished searches' files; what stands in the report's own folder is none of them
    folders = [folder / task for folder in (results, against) if folder for task in parameters.tasks]
    found = (path for folder in folders for path in sorted(folder.rglob("*.json")))
    inputs = [path for path in found if not records.is_beside(path) and path.parent.name != CHECKPOINTS]
    if parameters.report.known_networks:
        inputs.append(Layout.of(parameters).at(results).known_networks)
    with step("report", out / "report", inputs=inputs, parameters=parameters) as doing:
        doing.outputs += build(results, out, parameters, against)
    for path in doing.outputs:
        click.echo(path)

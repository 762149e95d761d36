"""The verb ``predict``: apply a trained model to the user's own images or text."""

import json
from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.errors import UserError
from autoshrink.params.base import Task
from autoshrink.tasks.spec import spec_of


@click.command(short_help="Use a trained model on a folder of images or a text file.")
@click.argument("run", type=options.FOLDER)
@click.argument("what", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice([str(item) for item in Task]), help="Which task's model.  [default: by WHAT]")
@click.option("--search", metavar="STRATEGY-SEED", help="Which search's model.  [default: the first]")
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many classes or words to name."
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads to compute on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(run: Path, what: Path, task: str | None, search: str | None, top: int, threads: int, as_json: bool) -> None:
    """Use the trained model of RUN (a run's results, a search's folder or a model's own) on WHAT.

    A folder of images, or one image: each image's likeliest classes, as CSV; where folders bear classes' names, the
    accuracy too. A text file: the model's perplexity on it, and the likeliest words after its end.

    \b
    Examples:
      autoshrink predict results photographs/
      autoshrink predict results letter.txt --top 10
    """
    from autoshrink.inference import models
    from autoshrink.runtime import devices

    if not what.exists():
        raise UserError(f"{what}: there is no such file or folder; give a folder of images, an image or a text file")
    devices.set_threads(threads)
    trained = models.find(run, Task(task) if task else _task_of(what), search)
    found = models.deployment_of(trained, "predict").predict(trained.folder, what, top)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
        return
    click.echo(found.text())
    if found.remark is not None:
        click.echo(found.remark, err=True)


def _task_of(what: Path) -> Task | None:
    """Return the first task whose models take such a file or folder."""
    deployments = {task: spec_of(task).deployment() for task in Task}
    return next((task for task, each in deployments.items() if each is not None and each.accepts(what)), None)

"""The verb ``predict``: apply a trained model to the user's own images or text."""

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoshrink.cli import options
from autoshrink.errors import UserError
from autoshrink.params.base import Task

if TYPE_CHECKING:
    from autoshrink.inference.images import ImagePrediction
    from autoshrink.inference.models import Trained


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
    models.require_supported(trained, "predict")
    if trained.task is Task.CNN:
        _images(trained, what, top, as_json)
    else:
        _text(trained, what, top, as_json)


def _task_of(what: Path) -> Task:
    return Task.CNN if what.is_dir() or what.suffix.lower() in _image_suffixes() else Task.RNN


def _image_suffixes() -> tuple[str, ...]:
    from autoshrink.tasks.vision import folders

    return tuple(folders.EXTENSIONS)


def _images(trained: "Trained", what: Path, top: int, as_json: bool) -> None:
    from autoshrink.inference import images

    found = list(images.predict(trained, images.find(what), top))
    known = [item for item in found if item.truth is not None]
    accuracy = sum(item.is_right for item in known) / len(known) if known else None
    if as_json:
        listed = [
            {"file": str(item.path), "best": [{"class": name, "probability": value} for name, value in item.best]}
            for item in found
        ]
        click.echo(json.dumps({"accuracy": accuracy, "labelled": len(known), "images": listed}, indent=1))
        return
    _write_csv(found, min(top, len(found[0].best)))
    if accuracy is not None:
        click.echo(f"accuracy {100 * accuracy:.2f} % of {len(known)} images in folders of classes' names", err=True)


def _write_csv(found: "Iterable[ImagePrediction]", top: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    numbers = [""] if top == 1 else [f"_{number}" for number in range(1, top + 1)]
    writer.writerow(["file", "folder", *(name + number for number in numbers for name in ("class", "probability"))])
    for item in found:
        cells: list[Any] = [item.path, item.truth or ""]
        for name, value in item.best:
            cells += [name, f"{value:.4f}"]
        writer.writerow(cells)


def _text(trained: "Trained", what: Path, top: int, as_json: bool) -> None:
    from autoshrink.inference import text

    found = text.predict(trained, what, top)
    if as_json:
        following = [{"word": word, "probability": value} for word, value in found.following]
        facts = {"words": found.words, "unknown": found.unknown, "loss": found.loss, "perplexity": found.perplexity}
        click.echo(json.dumps({**facts, "following": following}, indent=1))
        return
    perplexity = "not finite" if found.perplexity is None else f"{found.perplexity:.2f}"
    click.echo(f"perplexity {perplexity} over {found.words} words, {found.unknown} of them unknown to the model")
    click.echo("likeliest next words: " + ", ".join(f"{word} {100 * value:.1f} %" for word, value in found.following))

"""The verb ``export``: write a trained model in another format."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoshrink.cli import options
from autoshrink.errors import UserError
from autoshrink.files import artifacts, places
from autoshrink.lineage import agreement, graph
from autoshrink.params.base import Task
from autoshrink.records.model import DESCRIPTION
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from autoshrink.training.events import TrainingEvent


@click.command(short_help="Export a trained model to ONNX, TorchScript or a state dict, with a model card.")
@click.argument("run", type=options.FOLDER)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["onnx", "onnx-int8", "torchscript", "state-dict"]),
    multiple=True,
    required=True,
    help="What to write. Can be given again.",
)
@click.option(
    "--fine-tune",
    "epochs",
    type=click.IntRange(1, 1000),
    metavar="EPOCHS",
    help="With onnx-int8: train an image model on for so many epochs, rounded as in int8.",
)
@click.option("--task", type=click.Choice([str(item) for item in Task]), help="Which task's model.  [default: first]")
@click.option("--search", metavar="STRATEGY-SEED", help="Which search's model.  [default: the first]")
@click.option("--data", type=options.FOLDER, help="The prepared data set it was trained on.  [default: as recorded]")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write.  [default: exported/TASK-SEARCH]")
def export(
    run: Path,
    formats: tuple[str, ...],
    epochs: int | None,
    task: str | None,
    search: str | None,
    data: Path | None,
    out: Path | None,
) -> None:
    """Export the trained model of RUN (a run's results, a search's folder or a model's own).

    The exported model is compared with PyTorch on real training inputs at several batch sizes; where an output differs
    by more than 1e-4, no model is written. A model card, README.md, is written beside it: data, cell, costs, accuracy,
    lineage, and a few lines of code that use it. An earlier export's files, which exported.json lists, are overwritten;
    where another file is in the way, it is named and nothing is written.

    onnx-int8 is quantised by onnxruntime: image models statically, calibrated on the images held out from training and
    per channel, language models dynamically. Its effect on validation accuracy, size and latency is reported. Where it
    costs more than a point, --fine-tune trains the model on while its numbers are rounded (quantisation-aware
    training), by its own recipe at a tenth of the learning rate, and the better of the two int8 models is written. Its
    accuracy is then the best of so many epochs on the images that also calibrate it, and so optimistic: run the file on
    the test split. Interrupted, the same command goes on with the epoch that it was in.

    \b
    ONNX and TorchScript take
      images:  pixels (batch, channels, height, width) in [0, 1]          give logits (batch, classes)
      text:    tokens (time, batch) and the state (batch, hidden)         give logits (time, batch, words), next state

    \b
    Examples:
      autoshrink export results --format onnx
      autoshrink export results --format onnx --format onnx-int8
      autoshrink export results --format onnx-int8 --fine-tune 5
      autoshrink export results --task rnn --format onnx --format state-dict --out my-model
    """
    if epochs is not None and "onnx-int8" not in formats:
        raise UserError(f"--fine-tune {epochs}: is for --format onnx-int8; add it, or leave --fine-tune out")
    if out is not None:
        _refuse_inside(out, run)  # before anything is loaded

    from autoshrink.export import card, exported
    from autoshrink.export.formats import FILES, INT8, TUNING, write, write_int8
    from autoshrink.inference import models

    trained = models.find(run, Task(task) if task else None, search)
    deployment = models.deployment_of(trained, "export")
    if epochs is not None and not deployment.fine_tunes:
        raise UserError(
            f"--fine-tune {epochs}: is for image models, whose int8 scales are fixed; this one's are found as it runs; "
            "leave it out"
        )
    if trained.search is not None:  # the card tells the search's numbers
        for place in (*trained.search.rounds(), trained.search.finalists):
            agreement.check_files(place.written_evaluations())
    folder = out or Path("exported") / trained.name
    prepared = data or trained.data
    kept = graph.run_of(trained.folder) if trained.search else trained.folder
    for ours in (kept, prepared):
        _refuse_inside(folder, ours)
    places.require_writable({"--out": folder})
    names = [FILES[format] for format in formats] + [DESCRIPTION] * ("state-dict" in formats)
    names += [TUNING] * (epochs is not None)
    models.require_data(trained, prepared)
    inputs = deployment.inputs(trained.folder, prepared)
    if INT8 in formats:
        deployment.calibration(trained.folder, prepared)  # a model that has none is told before anything is written
    exported.claim(folder, [*names, card.NAME, card.DRAWING])
    written = [
        write_int8(trained, inputs, prepared, folder, epochs or 0, _told)
        if format == INT8
        else write(trained, format, inputs, folder)
        for format in dict.fromkeys(formats)
    ]
    if "state-dict" in formats:
        artifacts.write_bytes(folder / DESCRIPTION, (trained.folder / DESCRIPTION).read_bytes())
    manifest = spec_of(trained.task).manifest.read(prepared / address.MANIFEST)
    for item in written:
        if item.quantised is None:
            click.echo(f"{item.path}: at most {item.difference:.1g} from PyTorch's outputs")
            continue
        changes = "; ".join(f"{what}: {before} -> {after}" for what, before, after in item.quantised.rows)
        click.echo(f"{item.path}: {changes}")
        if item.quantised.remark:
            click.echo(f"{item.path}: {item.quantised.remark}", err=True)
    for path in card.write(trained, manifest, written, folder, prepared):
        click.echo(path)


def _told(event: "TrainingEvent") -> None:
    from autoshrink.training.events import EpochEnded, Resumed

    if isinstance(event, Resumed):
        click.echo(f"fine-tuning goes on with epoch {event.epoch + 1}", err=True)
    if isinstance(event, EpochEnded):
        accuracy = event.entry["validation_accuracy"] or 0.0
        click.echo(f"fine-tuning, epoch {event.epoch + 1}: accuracy {accuracy:.4f} on validation images", err=True)


def _refuse_inside(folder: Path, ours: Path) -> None:
    """Raise UserError where ``folder`` lies in a folder of the run's."""
    if folder.resolve().is_relative_to(ours.resolve()):
        raise UserError(f"--out {folder}: lies in {ours}, which holds what the run has recorded; name a folder outside")

"""Write the model card: data, cell, costs, quality, lineage, terms and example code of an exported model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoshrink.cells import drawing, released
from autoshrink.cells.cell import Cell
from autoshrink.export.licences import licence
from autoshrink.files import artifacts, markdown
from autoshrink.inference import models
from autoshrink.inference.models import Trained, deployment_of
from autoshrink.lineage import records
from autoshrink.records.best import Best
from autoshrink.records.history import TrainingHistory
from autoshrink.records.manifest import Manifest
from autoshrink.records.metrics import FinalMetrics, ModelMetrics
from autoshrink.records.model import DESCRIPTION
from autoshrink.records.record import Metrics, Numbers
from autoshrink.report.metrics import quantity
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import ModelFolder

if TYPE_CHECKING:
    from autoshrink.export.formats import Written

NAME, DRAWING = "README.md", "cell.svg"
METRICS = "metrics.json"
"""Where, in the folder of a model that belongs to no search, `autoshrink test` is asked to write."""
LISTED = 200
"""Classes or words that the card lists; it says where the others are."""


def write(trained: Trained, manifest: Manifest, written: Sequence["Written"], folder: Path, data: Path) -> list[Path]:
    """Write the card and the cell's drawing into ``folder``; ``manifest`` is of the data set the model was trained on,
    which lies prepared in ``data``.

    Raises ArtifactError where the run's files beside the model are damaged.
    """
    cell = trained.cell
    artifacts.write_text(folder / DRAWING, drawing.svg(cell, f"The cell of {trained.name}"))
    sections = [
        _head(trained, cell),
        _results(trained) if trained.search is not None else _results_alone(trained, data),
        _preparation(trained),
        "## How to use it\n\n" + "\n\n".join(_example(trained, item) for item in written),
        _checked(written),
        _data(trained, manifest),
        _training(trained),
        _lineage(trained),
        _limits(trained),
    ]
    artifacts.write_text(folder / NAME, "\n\n".join(section for section in sections if section) + "\n")
    return [folder / NAME, folder / DRAWING]


def _head(trained: Trained, cell: Cell) -> str:
    found = "that [AutoShrink](https://arxiv.org/abs/1911.09251) found by removing edges from a complete graph"
    if trained.search is not None:
        found += ", round by round"
    elif name := _released(cell):
        found += f" and its authors released as {name}"
    else:
        found = "that was given to AutoShrink"
    return (
        f"# {markdown.escaped(trained.name)}\n\n{markdown.escaped(trained.description.summary)}, "
        f"built of {'one cell' if len(cell.stages) == 1 else 'a cell per stage'} {found}.\n\n"
        f"![{drawing.describe(cell)}]({DRAWING})\n\n{drawing.describe(cell)}\n\n"
        f"{markdown.code(cell.key)} is the cell's key, equal for all cells that differ in their nodes' numbers only."
    )


def _released(cell: Cell) -> str | None:
    """Return the name of the released cell, or of the network with a cell per stage, that this one is."""
    known = {**{name: released.load(name).cell for name in released.names()}, **released.cells()}
    return next((name for name, item in known.items() if item.key == cell.key), None)


def _results(trained: Trained) -> str:
    path = None if trained.search is None else trained.search.metrics
    if path is None or not path.is_file():
        return ""
    content = FinalMetrics.read(path)
    limits = None if content.budget is None else content.budget.limits
    rows = _qualities(trained, content.metrics) + _costs(trained, content.costs, content.complete_costs, limits)
    said = (
        f"Measured once, on the test split of {markdown.code(content.dataset)}, which neither the search nor the "
        "training has seen."
    )
    return _told(said, rows)


def _results_alone(trained: Trained, data: Path) -> str:
    """Return the results of a model that belongs to no search: of its test, or else of validation while it trained."""
    costs, complete = models.costs(trained, spec_of(trained.task).load(data))
    rows = _costs(trained, costs, complete, None)
    path = trained.folder / METRICS
    if path.is_file():
        content = ModelMetrics.read(path)
        if content.weights_sha256 == trained.description.weights_sha256:
            said = f"Measured on the test split of {markdown.code(content.dataset)}, which the training has not seen."
            return _told(said, _qualities(trained, content.metrics) + rows)
    history = TrainingHistory.read(ModelFolder(trained.folder).history)
    chosen = next((entry for entry in history.epochs if entry["epoch"] == history.chosen_epoch), {})
    metric = spec_of(trained.task).metric.name
    value = chosen.get(f"validation_{metric}")
    if value is not None:
        shown = _number(float(value), not any(item.is_perplexity for item in spec_of(trained.task).reported))
        rows = [[f"{metric} on validation data", shown], *rows]
    said = "Not measured on a test split: `autoshrink test` does that, and `export` then writes it here."
    if value is not None:
        said += " The validation data chose the epoch that was kept, so its number is a little too good."
    return _told(said, rows)


def _told(said: str, rows: list[list[str]]) -> str:
    return (
        f"## How good it is, and what it costs\n\n{said} Costs leave batch norm out, as the paper does.\n\n"
        f"{markdown.table(['', ' '], rows)}"
    )


def _qualities(trained: Trained, metrics: Metrics) -> list[list[str]]:
    spec = spec_of(trained.task)
    titles = {"loss": "loss, nats", **{item.key: item.title for item in spec.reported}}
    shares = {item.key for item in spec.reported if not item.is_perplexity}
    return [[titles.get(key, key), _number(value, key in shares)] for key, value in metrics.items()]


def _costs(trained: Trained, costs: Numbers, complete: Numbers, limits: Numbers | None) -> list[list[str]]:
    rows = []
    unit = f"per {spec_of(trained.task).unit}"
    for key, name in (("parameters", "parameters"), ("macs", f"multiply-accumulates {unit}")):
        share = f" ({100 * costs[key] / complete[key]:.0f} % of the complete cell's)" if complete[key] else ""
        if limits is not None:
            limit = limits.get(key)
            share = "" if limit is None else f" (within a budget of {quantity(limit)})"
        rows.append([name, f"{quantity(costs[key])}{share}"])
    return rows


def _preparation(trained: Trained) -> str:
    """Return what must be done to an input, and what the outputs stand for."""
    deployment = deployment_of(trained, "export")
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(deployment.preparation(trained.description), 1))
    what, labels = deployment.labels(trained.description)
    rows = [[str(number), label] for number, label in enumerate(labels[:LISTED])]
    more = ""
    if len(labels) > LISTED:
        more = (
            f"\n\nThe first {LISTED} of {len(labels):,}; all are in `model.json`, and in the metadata of other formats."
        )
    return (
        f"## What it takes, and what it says\n\n{steps}\n\nThe logits are of these {what}, in this order:\n\n"
        f"{markdown.table(['number', what], rows)}{more}"
    )


def _example(trained: Trained, item: "Written") -> str:
    """Return code that uses an exported file, as fenced Markdown. The tests run every one."""
    deployment = deployment_of(trained, "export")
    code = deployment.usage[item.format].format(file=item.path.name, **deployment.sizes(trained.description))
    return f"```python\n{code}\n```"


def _checked(written: Sequence["Written"]) -> str:
    lines = [
        f"- `{item.path.name}`: in int8, by onnxruntime, so that outputs differ from PyTorch's by up to "
        f"{item.difference:.1g}; the table says what that costs"
        if item.quantised
        else f"- `{item.path.name}`: at most {item.difference:.1g} from PyTorch's outputs, on real inputs of several "
        "sizes"
        for item in written
    ]
    tables = [
        "\n\n| | float | int8 |\n| --- | --- | --- |\n"
        + "\n".join(f"| {what} | {one} | {other} |" for what, one, other in item.quantised.rows)
        + "".join(f"\n\n{said}." for said in (item.quantised.remark, item.quantised.caveat) if said)
        for item in written
        if item.quantised
    ]
    return "Checked when it was exported:\n\n" + "\n".join(lines) + "".join(tables)


def _data(trained: Trained, manifest: Manifest) -> str:
    counts = ", ".join(f"{markdown.escaped(split)} {size}" for split, size in manifest.sizes.items())
    digest = trained.description.origin.dataset_digest
    name, version = markdown.code(manifest.name), markdown.escaped(manifest.source_version)
    return (
        f"## Data\n\n{name}, out of {version}: {counts}. Prepared data's manifest: sha256 {markdown.code(digest)}.\n\n"
        f"Terms: {licence(manifest.source)}."
    )


def _training(trained: Trained) -> str:
    origin, recipe = trained.description.origin, trained.description.origin.recipe
    optimizer = markdown.escaped(str(recipe.get("optimizer", "SGD")))
    lines = [
        f"{recipe['epochs']} epochs, batches of {recipe['batch_size']}, {optimizer} at a learning rate of "
        f"{recipe['learning_rate']:g}, root seed {origin.seed}; the whole recipe is in the model's `model.json`."
    ]
    widths = getattr(trained.description.network, "node_widths", {})
    if recipe.get("growth") and widths:
        nodes = ", ".join(f"{markdown.code(node)} {width}" for node, width in widths.items())
        lines.append(
            f"Its nodes grew while it was trained, by Firefly descent, to these widths (stage.cell.node): {nodes}."
        )
    deeper = getattr(trained.description.network, "residual_layers", {})
    if deeper:
        cells = ", ".join(f"{markdown.code(cell)} {' and '.join(operators)}" for cell, operators in deeper.items())
        lines.append(f"After cells stand residual layers, which add an operator of their input to it: {cells}.")
    if trained.search is not None:
        best = Best.read(trained.search.best)
        metrics = ", ".join(
            f"{markdown.escaped(key)} {value:.4g}" for key, value in best.metrics.items() if isinstance(value, float)
        )
        lines.append(
            f"The cell is that of round {best.round} of the search `{best.task}/{best.search}`: score "
            f"{best.score:.4f}, on the search's proxy {metrics}."
        )
    return "## Search and training\n\n" + "\n".join(lines)


def _lineage(trained: Trained) -> str:
    rows = {
        "weights (model.safetensors)": str(trained.description.weights_sha256),
        "description (model.json)": artifacts.digest_of_file(trained.folder / DESCRIPTION),
    }
    record = records.path_of(trained.folder / DESCRIPTION)
    code = ""
    if record.is_file():
        rows["lineage record of the training"] = artifacts.digest_of_file(record)
        made = records.read(record).facts.code
        commit = f", commit {markdown.code(made.commit)}" if made.commit is not None else ""
        state = " with changes of its own" if made.dirty else ""
        code = f"\n\nTrained by autoshrink {markdown.escaped(str(made.version))}{commit}{state}."
    table = markdown.table(["", "sha256"], [[name, str(digest)] for name, digest in rows.items()])
    return f"## Lineage\n\n{table}{code}"


def _limits(trained: Trained) -> str:
    source = trained.description.origin.source
    what = spec_of(trained.task).caveat
    terms = "" if source not in ("ptb", "cifar10") else " Mind the data's terms before passing the model on."
    return f"## Limits\n\n{what}{terms}"


def _number(value: float | None, is_share: bool) -> str:
    if value is None:
        return "not finite"
    return f"{100 * value:.2f} %" if is_share else f"{value:.4g}"

"""Write the model card: data, cell, costs, quality, lineage, terms and example code of an exported model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoshrink.cells import drawing
from autoshrink.cells.cell import Cell
from autoshrink.export.licences import licence
from autoshrink.files import artifacts, markdown
from autoshrink.inference.models import Trained, deployment_of
from autoshrink.lineage import records
from autoshrink.records.best import Best
from autoshrink.records.manifest import Manifest
from autoshrink.records.metrics import FinalMetrics
from autoshrink.records.model import DESCRIPTION
from autoshrink.report.metrics import quantity
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from autoshrink.export.formats import Written

NAME, DRAWING = "README.md", "cell.svg"


def write(trained: Trained, manifest: Manifest, written: Sequence["Written"], folder: Path) -> list[Path]:
    """Write the card and the cell's drawing into ``folder``; ``manifest`` is of the data set the model was trained on.

    Raises ArtifactError where the run's files beside the model are damaged.
    """
    cell = trained.cell
    artifacts.write_text(folder / DRAWING, drawing.svg(cell, f"The cell of {trained.name}"))
    sections = [
        _head(trained, cell),
        _results(trained),
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
    return (
        f"# {markdown.escaped(trained.name)}\n\n{markdown.escaped(trained.description.summary)}, "
        "built of one cell that "
        "[AutoShrink](https://arxiv.org/abs/1911.09251) found by removing edges from a complete graph, round by "
        "round.\n\n"
        f"![{drawing.describe(cell)}]({DRAWING})\n\n{drawing.describe(cell)}\n\n"
        f"{markdown.code(cell.key)} is the cell's key, equal for all cells that differ in their nodes' numbers only."
    )


def _results(trained: Trained) -> str:
    path = None if trained.search is None else trained.search.metrics
    if path is None or not path.is_file():
        return ""
    content = FinalMetrics.read(path)
    spec = spec_of(trained.task)
    titles = {"loss": "loss, nats", **{item.key: item.title for item in spec.reported}}
    shares = {item.key for item in spec.reported if not item.is_perplexity}
    rows = [[titles.get(key, key), _number(value, key in shares)] for key, value in content.metrics.items()]
    unit = f"per {spec.unit}"
    for key, name in (("parameters", "parameters"), ("macs", f"multiply-accumulates {unit}")):
        own, complete = content.costs[key], content.complete_costs[key]
        share = f" ({100 * own / complete:.0f} % of the complete cell's)" if complete else ""
        if content.budget is not None:
            limit = content.budget.limits.get(key)
            share = "" if limit is None else f" (within a budget of {quantity(limit)})"
        rows.append([name, f"{quantity(own)}{share}"])
    return (
        f"## How good it is, and what it costs\n\nMeasured once, on the test split of "
        f"{markdown.code(content.dataset)}, which neither the search nor the training has seen. Costs leave batch norm "
        f"out, as the paper does.\n\n{markdown.table(['', ' '], rows)}"
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
        + (f"\n\n{item.quantised.remark}." if item.quantised.remark else "")
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

"""The verb ``proxy-quality``: measure how well the proxy ranks cells on the user's data."""

import os
from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import made_by
from autoshrink.errors import DataError, UserError
from autoshrink.files import artifacts, places
from autoshrink.params.base import Task
from autoshrink.records.proxy_quality import ProxyQuality
from autoshrink.tasks import address, sufficiency


@click.command(short_help="Measure how well the proxy ranks cells, on your data.")
@options.parameters
@options.task
@click.option("--cells", type=click.IntRange(min=10), default=20, show_default=True, help="How many random cells.")
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Evaluations of each on the proxy, beside the one that a search makes.",
)
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, help="Of intervals.")
@click.option("--store", type=options.FOLDER, help="Where trainings are kept.  [default: paths.store]")
@options.out("the record; a table goes beside it, its name ending in .md")
def proxy_quality(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    cells: int,
    repeats: int,
    confidence: float,
    store: Path | None,
    out: Path,
) -> None:
    """Train random cells of the search space on the proxy and by the full recipe, and compare the ranks: Kendall's tau
    and Spearman's rho, with bootstrap intervals.

    Final quality is measured on held-out training data; the test split stays closed. Interrupted, the same command
    resumes. Data must be prepared, by a run or by `autoshrink prepare`.

    \b
    Example:
      autoshrink proxy-quality --task cnn --cells 20 --out proxy-quality-cnn.json
    """
    parameters, of = options.load(files, settings), Task(task)
    from autoshrink.evaluation.store import Store
    from autoshrink.study import proxy_quality as study
    from autoshrink.tasks.spec import spec_of

    spec = spec_of(of)
    sufficiency.check(parameters)
    for name in dict.fromkeys((spec.proxy(parameters).dataset, spec.training(parameters).dataset)):
        if not address.manifest(parameters, name).exists():
            folder = address.folder(parameters, name)
            raise DataError(f"data set {name!r}: is not prepared; run `autoshrink prepare {name} --out {folder}` first")
    store = store or Path(parameters.paths.store)
    places.require_writable({"--out": out.parent, "--store": store})
    require_own(out)
    kept = Store(store, lambda: made_by(parameters, of))

    def tell(line: str) -> None:
        click.echo(line, err=True)

    result = study.measure(parameters, of, cells, repeats, confidence, kept, tell)
    table = study.to_markdown(result)
    result.write(out)
    artifacts.write_text(_table(out), table)
    click.echo(table.partition("\n\n")[2].rpartition("\n\n")[0])


def require_own(out: Path) -> None:
    """Raise UserError where ``out``, or the table's place beside it, holds what this verb did not write."""
    from autoshrink.study import proxy_quality as study

    table = _table(out)
    if table == out:
        raise UserError(f"--out {out}: the table beside the record has this name; accepted: another ending, as .json")
    written = None
    if os.path.lexists(out):
        try:
            written = study.to_markdown(ProxyQuality.read(out))
        except UserError as error:
            raise _foreign(out) from error
    if os.path.lexists(table) and (written is None or table.read_bytes() != written.encode()):
        raise _foreign(table)


def _foreign(path: Path) -> UserError:
    return UserError(
        f"{path}: no earlier measurement wrote this file, so it is left alone; move it away, or change --out"
    )


def _table(out: Path) -> Path:
    return out.with_suffix(".md")

"""The argument ``--cell``: resolve a cell from a file or a released name."""

from pathlib import Path

from autoshrink.cells import cell
from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.search import rounds


def find(what: str) -> Cell:
    """Return the cell in the file ``what`` (a cell, a best cell or a finished round), or the released cell of that
    name.

    Raises UserError when it is neither, ArtifactError when the file is damaged.
    """
    from autoshrink.cells import released

    if what in released.names():
        return released.load(what).cell
    path = Path(what)
    if not path.is_file():
        raise UserError(f"--cell {what}: neither a file nor a released cell; accepted: {', '.join(released.names())}")
    kind = artifacts.kind_of(path)
    if kind == rounds.BEST:
        return rounds.read_best(path)[0]
    if kind == rounds.ROUND:
        return Cell.from_json(rounds.read_round(path)["state"]["cell"])
    if kind == cell.KIND:
        return Cell.load(path)
    raise UserError(f"--cell {what}: a file of kind {kind!r} holds no cell; accepted: cell, best, round")

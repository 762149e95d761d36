"""The argument ``--cell``: resolve a cell from a file or a released name."""

from pathlib import Path

from autoshrink.cells import cell
from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError, meant
from autoshrink.files import artifacts
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Fitted
from autoshrink.records.round import Round


def find(what: str) -> Cell:
    """Return the cell in the file ``what`` (a cell, a best cell or a finished round), or the released cell of that
    name.

    Raises UserError when it is neither, or when some node of it is not connected, and ArtifactError when the file is
    damaged.
    """
    from autoshrink.cells import released

    if what in released.names():
        return released.load(what).cell
    if what in (cells := released.cells()):
        return cells[what]
    path = Path(what)
    if "\0" in what or not path.is_file():
        raise UserError(
            f"--cell {what!r}: neither a file nor a released cell; accepted: {', '.join(cells)}{meant(what, cells)}"
        )
    found = _read(path)
    lost = sorted(set(found.nodes) - found.reachable)
    if lost:
        raise UserError(
            f"{path}: no path leads from node 0 to node {lost[0]}, so it computes nothing; connect or remove it"
        )
    return found


def fitted(what: str) -> Fitted | None:
    """Return the final network that a search fitted to its budget, where ``what`` is a best-cell file with one."""
    path = Path(what)
    if "\0" in what or not path.is_file() or artifacts.kind_of(path) != Best.KIND:
        return None
    return Best.read(path).fitted


def is_network(what: str) -> bool:
    """Whether ``what`` names a released network with a cell per stage, which stands for itself alone."""
    from autoshrink.cells import released

    return what in released.names() and len(released.load(what).cells) > 1


def _read(path: Path) -> Cell:
    kind = artifacts.kind_of(path)
    if kind == Best.KIND:
        return Best.read(path).cell
    if kind == Round.KIND:
        return Round.read(path).state.cell
    if kind == cell.KIND:
        return Cell.load(path)
    raise UserError(f"--cell {path}: a file of kind {kind!r} holds no cell; accepted: cell, best, round")

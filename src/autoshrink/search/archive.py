"""Serialise the evaluated cells that a strategy keeps in its state."""

from collections.abc import Iterable, Sequence

from autoshrink.cells.cell import Cell
from autoshrink.search.objective import rank
from autoshrink.search.strategy import Memory, ProposedCell, Scored, State


def to_json(item: Scored) -> Memory:
    """Return an evaluated cell as JSON values."""
    return {"cell": item.candidate.cell.to_json(), "score": item.score, "violation": item.violation}


def from_json(value: Memory) -> Scored:
    """Read what ``to_json`` wrote."""
    return Scored(ProposedCell(Cell.from_json(value["cell"]), "remembered"), value["score"], value["violation"])


def read(values: Iterable[Memory]) -> list[Scored]:
    """Read a list of evaluated cells."""
    return [from_json(value) for value in values]


def improve(state: State, scored: Sequence[Scored]) -> tuple[Cell, Memory | None, int | None]:
    """Return the best cell so far, it as JSON (for ``memory["best"]``), and its slot where this round found it."""
    remembered = state.memory.get("best")
    best = None if remembered is None else from_json(remembered)
    slot = None
    for number, item in enumerate(scored):
        if item.score is not None and (best is None or rank(item) < rank(best)):
            best, slot = item, number
    return (state.cell, None, None) if best is None else (best.candidate.cell, to_json(best), slot)

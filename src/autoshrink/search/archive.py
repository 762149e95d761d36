"""What strategies remember from round to round: evaluated cells, and the best of them."""

from collections.abc import Iterable, Sequence

from autoshrink.cells.cell import Cell
from autoshrink.records.record import CellField, Many, Number, Record
from autoshrink.search.objective import rank
from autoshrink.search.strategy import ProposedCell, Scored, State


class Remembered(Record):
    """An evaluated cell."""

    cell: CellField
    score: Number | None
    violation: Number

    @classmethod
    def of(cls, item: Scored) -> "Remembered":
        """Return what is remembered of a candidate."""
        return cls(cell=item.candidate.cell, score=item.score, violation=item.violation)

    @property
    def scored(self) -> Scored:
        """The cell as a candidate again."""
        return Scored(ProposedCell(self.cell, "remembered"), self.score, self.violation)


class Seen(Record):
    """The memory of a strategy that proposes no cell twice; strategies add to it."""

    best: Remembered | None = None
    seen: Many[str] = ()
    """Keys of the cells that were evaluated."""


def keys(scored: Iterable[Scored]) -> tuple[str, ...]:
    """Return the keys of the candidates' cells."""
    return tuple(item.candidate.cell.key for item in scored)


def improve(
    state: State, best: Remembered | None, scored: Sequence[Scored]
) -> tuple[Cell, Remembered | None, int | None]:
    """Return the best cell so far, it as it is remembered, and its slot where this round found it."""
    leading, slot = None if best is None else best.scored, None
    for number, item in enumerate(scored):
        if item.score is not None and (leading is None or rank(item) < rank(leading)):
            leading, slot = item, number
    if leading is None:
        return state.cell, None, None
    return leading.candidate.cell, Remembered.of(leading), slot

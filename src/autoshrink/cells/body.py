"""The body of a network: a cell or, for comparison, a block of a known architecture in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autoshrink.cells.cell import Cell, CellError
from autoshrink.files.artifacts import Json

_KEY = "block"


@dataclass(frozen=True)
class KnownBlock:
    """A block or layer that is no cell: by the name its task knows it by, or a user's own ``module:function``."""

    name: str

    @property
    def key(self) -> str:
        """What tells it from any other body."""
        return self.name

    @property
    def is_entry_point(self) -> bool:
        """Whether it is a user's own."""
        return ":" in self.name

    def canonical(self) -> "KnownBlock":
        """Return itself: no other block computes the same."""
        return self

    def to_json(self) -> Json:
        """Return the block as JSON values; ``from_json`` reads them back."""
        return {_KEY: self.name}


Body = Cell | KnownBlock


def from_json(value: Any) -> Body:
    """Return the body that ``value`` describes. Raises CellError, in one line, where it is neither cell nor block."""
    if isinstance(value, Mapping) and set(value) == {_KEY}:
        if not isinstance(value[_KEY], str) or not value[_KEY]:
            raise CellError(f"expected the block's name, found {value[_KEY]!r}")
        return KnownBlock(value[_KEY])
    return Cell.from_json(value)

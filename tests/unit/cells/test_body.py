"""A network's body is a cell or a known block, and is read back as what it was."""

import pytest

from autoshrink.cells import body
from autoshrink.cells.body import KnownBlock
from autoshrink.cells.cell import Cell, CellError


def test_bodies_are_read_back() -> None:
    """A cell stays a cell, a block a block."""
    for one in (Cell.of(["tanh"], [(0, 1)]), KnownBlock("lstm"), KnownBlock("mine:tiny")):
        assert body.from_json(one.to_json()) == one


@pytest.mark.parametrize("value", [{"block": ""}, {"block": 3}, {"block": "lstm", "more": 1}, [], None])
def test_what_is_neither_is_refused(value: object) -> None:
    """One line says so."""
    with pytest.raises(CellError):
        body.from_json(value)

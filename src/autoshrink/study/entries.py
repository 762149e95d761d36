"""A table's entry for one cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoshrink.cells.cell import Edge
from autoshrink.records.record import Metrics, Numbers


@dataclass(frozen=True)
class TableEntry:
    """``metrics`` are ``accuracy`` (None where nobody can train the cell) and, where known, the final accuracy
    ``test``; ``epochs`` is what looking it up stands for; ``missing`` says
    that the table lacks it."""

    metrics: Metrics
    costs: Numbers
    epochs: int
    missing: bool = False
    edge_gains: Mapping[Edge, float] = field(default_factory=dict)
    """Of the cell's missing edges, where the fidelity asks for them."""

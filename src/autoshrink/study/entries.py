"""A table's entry for one cell."""

from dataclasses import dataclass

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

"""Score of a language candidate (paper, section 3)."""

import math

from autoshrink.cells.cell import Cell
from autoshrink.params.objective import LanguageObjective


def paper_flops(cell: Cell, hidden: int) -> int:
    """Return edges * hidden^2, the paper's "FLOPs" of an RNN cell: a count of edges, not of the network's
    arithmetic."""
    return len(cell.edges) * hidden**2


def language_score(objective: LanguageObjective, perplexity: float, flops: float) -> float:
    """Return weight * (reference - perplexity) - flops_weight * (log10(flops) - 6); ``flops`` from ``paper_flops``.

    Within a budget ``flops_weight`` is 0, and the score is perplexity's alone.
    """
    return objective.perplexity_weight * (objective.perplexity_reference - perplexity) - objective.weight_of_flops * (
        math.log10(flops) - 6.0
    )

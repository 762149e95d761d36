"""What makes one candidate better than another (paper, section 3: the search metric), and how ties are broken."""

import math
from collections.abc import Mapping
from typing import Any

from autoshrink.cell import Cell
from autoshrink.params.search import ImageObjective, LanguageObjective


def image_score(objective: ImageObjective, accuracy: float, macs: float) -> float:
    """Return accuracy - weight * (log10(MACs) - 6); accuracy in [0, 1], MACs per image."""
    return accuracy - objective.macs_weight * (math.log10(macs) - 6.0)


def paper_flops(cell: Cell, hidden: int) -> int:
    """Return edges * hidden^2, the paper's "FLOPs" of an RNN cell: a count of edges, not of the network's arithmetic."""
    return len(cell.edges) * hidden**2


def language_score(objective: LanguageObjective, perplexity: float, flops: float) -> float:
    """Return weight * (reference - perplexity) - flops_weight * (log10(flops) - 6); ``flops`` from ``paper_flops``."""
    return objective.perplexity_weight * (objective.perplexity_reference - perplexity) - objective.flops_weight * (
        math.log10(flops) - 6.0
    )


def score(
    objective: ImageObjective | LanguageObjective, cell: Cell, evaluation: Mapping[str, Any], hidden: int | None
) -> float | None:
    """Return a candidate's score, or None where it has no finite one (a diverged training; no cost to take the log of).

    ``evaluation`` is an evaluation's content (``metrics`` and ``costs``); ``hidden`` is the RNN proxy's hidden width.
    """
    try:
        if isinstance(objective, ImageObjective):
            value = image_score(objective, evaluation["metrics"]["accuracy"], evaluation["costs"]["macs"])
        else:
            assert hidden is not None
            value = language_score(objective, evaluation["metrics"]["perplexity"], paper_flops(cell, hidden))
    except (TypeError, ValueError):  # the metric is None; the logarithm of zero
        return None
    return value if math.isfinite(value) else None


def preference(score: float, cell: Cell) -> tuple[float, int, int, str]:
    """Return a scored candidate's sort key, best first: score, then fewer leaves, fewer edges, key."""
    return (-score, len(cell.leaves), len(cell.edges), cell.key)

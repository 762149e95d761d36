"""What makes one candidate better than another (paper, section 3: the search metric), and how ties are broken."""

import math
from collections.abc import Mapping
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.params.objective import ImageObjective, LanguageObjective
from autoshrink.search.strategy import Scored

Objective = ImageObjective | LanguageObjective


def image_score(objective: ImageObjective, accuracy: float, macs: float) -> float:
    """Return accuracy - weight * (log10(MACs) - 6); accuracy in [0, 1], MACs of one image through the proxy network."""
    return accuracy - objective.macs_weight * (math.log10(macs) - 6.0)


def paper_flops(cell: Cell, hidden: int) -> int:
    """Return edges * hidden^2, the paper's "FLOPs" of an RNN cell: a count of edges, not of the network's
    arithmetic."""
    return len(cell.edges) * hidden**2


def language_score(objective: LanguageObjective, perplexity: float, flops: float) -> float:
    """Return weight * (reference - perplexity) - flops_weight * (log10(flops) - 6); ``flops`` from ``paper_flops``."""
    return objective.perplexity_weight * (objective.perplexity_reference - perplexity) - objective.flops_weight * (
        math.log10(flops) - 6.0
    )


def score(objective: Objective, cell: Cell, evaluation: Mapping[str, Any], hidden: int | None) -> float | None:
    """Return a candidate's score, or None where it has no finite one (a diverged training; no cost to take the log of).

    ``evaluation`` is an evaluation's content (``metrics`` and ``costs``); ``hidden`` is the RNN proxy's hidden width.
    """
    metrics, costs = evaluation["metrics"], evaluation["costs"]
    try:
        if isinstance(objective, ImageObjective):
            value = image_score(objective, metrics["accuracy"], costs["macs"])
        else:
            assert hidden is not None
            value = language_score(objective, metrics["perplexity"], paper_flops(cell, hidden))
            if objective.macs_weight:
                value -= objective.macs_weight * (math.log10(costs["macs"]) - 6.0)
        # a cost without weight is not looked at: nobody need have measured it
        if objective.parameters_weight:
            value -= objective.parameters_weight * (math.log10(costs["parameters"]) - 6.0)
        if objective.latency_weight:
            value -= objective.latency_weight * math.log10(costs["latency_ms"])
        if objective.memory_weight:
            value -= objective.memory_weight * (math.log10(costs["activation_bytes"]) - 6.0)
    except (TypeError, ValueError):  # the metric is None; the logarithm of zero
        return None
    return value if math.isfinite(value) else None


def violation(objective: Objective, costs: Mapping[str, Any]) -> float:
    """Return by how much ``costs`` exceed the objective's hard limits: the sum of relative excesses, 0 within all of
    them."""
    return sum(max(0.0, float(costs[name]) / limit - 1.0) for name, limit in objective.limits.items())


def preference(score: float, cell: Cell) -> tuple[float, int, int, str]:
    """Return the sort key of a scored candidate, the best first: score, then fewer leaves, fewer edges, cell's key."""
    return (-score, len(cell.leaves), len(cell.edges), cell.key)


def rank(item: Scored) -> tuple[Any, ...]:
    """Return the sort key of any candidate, the best first: within limits, then nearest to them, then by preference.

    (Deb 2000, "An efficient constraint handling method for genetic algorithms".) A candidate without a finite score
    comes last whatever its costs.
    """
    if item.score is None:
        return (True, 0.0)
    return (False, item.violation, *preference(item.score, item.candidate.cell))

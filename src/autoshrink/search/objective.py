"""Scoring and ranking of candidates (paper, section 3: the search metric), with tie-breaking."""

import math
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.params.objective import Costs
from autoshrink.params.sections import TaskProxy
from autoshrink.records.record import Metrics, Numbers
from autoshrink.search.strategy import Scored
from autoshrink.tasks.spec import spec_of


def score(task: Task, objective: Costs, proxy: TaskProxy, cell: Cell, metrics: Metrics, costs: Numbers) -> float | None:
    """Return a candidate's score, or None where it has no finite one (a diverged training; no cost to take the log of).

    ``metrics`` and ``costs`` are its evaluation's; ``objective`` and ``proxy`` are the task's. Raises KeyError where
    the objective asks for a metric or cost that is not there.
    """
    try:
        value = spec_of(task).score(objective, proxy, cell, metrics, costs)
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


def violation(objective: Costs, costs: Numbers) -> float:
    """Return by how much ``costs`` break the objective's hard limits: the sum of relative excesses over the upper and
    of limit / cost - 1 under the lower ones; 0 within all of them."""
    above = sum(max(0.0, float(costs[name]) / limit - 1.0) for name, limit in objective.limits.items())
    lacking = objective.lower_limits.items()
    below = sum(max(0.0, limit / max(float(costs[name]), 1e-9) - 1.0) for name, limit in lacking)
    return above + below


def preference(score: float, cell: Cell) -> tuple[float, int, int, str]:
    """Return the sort key of a scored candidate, the best first: score, then fewer leaves, fewer edges, cell's key."""
    return (-score, sum(len(stage.leaves) for stage in cell.stages), len(cell.wires), cell.key)


def rank(item: Scored) -> tuple[Any, ...]:
    """Return the sort key of any candidate, the best first: within limits, then nearest to them, then by preference.

    (Deb 2000, "An efficient constraint handling method for genetic algorithms".) A candidate without a finite score
    comes last whatever its costs.
    """
    if item.score is None:
        return (True, 0.0)
    return (False, item.violation, *preference(item.score, item.candidate.cell))

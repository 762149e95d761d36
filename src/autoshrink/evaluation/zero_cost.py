"""Evaluate candidates by a zero-cost measure instead of training (``tasks.zero_cost``)."""

import math
from typing import Any

import torch

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.records.evaluation import TrialResult
from autoshrink.records.proposal import COUNTED
from autoshrink.tasks.spec import spec_of


def evaluate(
    task: Task, cell: Cell, proxy: TaskProxy, data: Any, seed: int, device: torch.device, method: str
) -> TrialResult:
    """Return what a candidate that is not trained comes to, in the form that training gives.

    ``metrics[method]`` is the value, greater is better, None where it is not finite; the task's own metric is None. The
    network is the one that training would start from, and only counted where ``method`` is ``COUNTED``. ``data`` is the
    task's proxy data; ``seed`` the candidate's own.
    """
    spec = spec_of(task)
    if method == COUNTED:
        nothing = {spec.metric.name: None, "loss": None, "best_epoch": None}
        return TrialResult(metrics=nothing, history=(), stopped="counted", costs=spec.count_proxy(cell, proxy, data))
    value, costs = spec.zero_cost(cell, proxy, data, seed, device, method)
    metrics = {
        method: value if math.isfinite(value) else None,
        spec.metric.name: None,
        "loss": None,
        "best_epoch": None,
    }
    return TrialResult(metrics=metrics, history=(), stopped="untrained", costs=costs)

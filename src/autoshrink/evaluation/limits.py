"""Detect hard limits that no cell can meet, before any training."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError
from autoshrink.evaluation.measured import Measurements
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.objective import LIMITS
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of


def check_prepared(
    parameters: Parameters, task: Task, data: Path, store: Path, made_by: Callable[[], Mapping[str, Any]]
) -> None:
    """Do what ``check`` does for the data set prepared in ``data``; measurements are kept in ``store``, with records of
    the facts that ``made_by`` gives."""
    fingerprint = artifacts.digest_of_file(data / address.MANIFEST)
    networks = Networks(parameters, task, data)
    check(parameters, task, Measurements(parameters, task, networks, fingerprint, store, made_by))


def check(parameters: Parameters, task: Task, measurements: Measurements) -> None:
    """Raise ParameterError when even the cheapest cells exceed a hard limit of the task's objective.

    The cheapest cells are those of a single edge, and the one without any where the task can build it: its network is
    what surrounds a cell.
    """
    spec = spec_of(task)
    section = spec.search(parameters)
    limits = section.objective.limits
    if not limits:
        return
    cells = [Cell.of([operator], [(0, 1)]) for operator in section.operators]
    if spec.runs_without_edges:
        cells.append(Cell.of([], []))
    costs = {cell.key or "the empty cell": measurements.counted(cell) for cell in cells}
    wrong = []
    for name, limit in limits.items():
        cheapest = min(costs, key=lambda key: costs[key][name])
        least = costs[cheapest][name]
        if least > limit:
            figure = _figure(least)
            wrong.append(
                f"search.{task}.objective.{LIMITS[name]} = {limit}: even the cheapest cell, {cheapest}, has "
                f"{figure} in the proxy network; accepted: {figure} or more, or a smaller proxy.{task}.network"
            )
    if wrong:
        raise ParameterError("\n".join(wrong))


def _figure(value: float) -> str:
    """Return a count in full, so that it can be copied into the limit, and a measured value to six digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"

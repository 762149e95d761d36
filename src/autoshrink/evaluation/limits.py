"""Detect hard limits that no cell can meet, before any training."""

from collections.abc import Callable
from pathlib import Path

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError
from autoshrink.evaluation.measured import Measurements
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.files import artifacts
from autoshrink.lineage.records import Facts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.objective import LIMITS, LOWER_LIMITS
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of


def check_prepared(parameters: Parameters, task: Task, data: Path, store: Path, made_by: Callable[[], Facts]) -> None:
    """Do what ``check`` does for the data set prepared in ``data``; measurements are kept in ``store``, with records of
    the facts that ``made_by`` gives."""
    fingerprint = artifacts.digest_of_file(data / address.MANIFEST)
    networks = Networks(parameters, task, data)
    check(parameters, task, Measurements(parameters, task, networks, fingerprint, store, made_by))


def check(parameters: Parameters, task: Task, measurements: Measurements) -> None:
    """Raise ParameterError when even the cheapest cells exceed a hard limit of the task's objective.

    The cheapest cells are those of a single edge, and the one without any where the task can build it: its network is
    what surrounds a cell. A lower limit is held against what does most for each byte, the complete cells of one
    operator.
    """
    spec = spec_of(task)
    section = spec.search(parameters)
    limits, lower = section.objective.limits, section.objective.lower_limits
    if not limits and not lower:
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
    if lower:
        count = section.nodes - 1
        dense = [*cells, *(Cell.complete([operator] * count) for operator in dict.fromkeys(section.operators))]
        found = {cell.key or "the empty cell": measurements.counted(cell) for cell in dense}
        for name, limit in lower.items():
            best = max(found, key=lambda key: found[key][name])
            if found[best][name] < limit:
                wrong.append(
                    f"search.{task}.objective.{LOWER_LIMITS[name]} = {limit:g}: of the sparsest and the densest cells "
                    f"none has as much in the proxy network; the nearest, {best}, has {_figure(found[best][name])}; "
                    f"accepted: at most that"
                )
    if wrong:
        raise ParameterError("\n".join(wrong))


def _figure(value: float) -> str:
    """Return a count in full, so that it can be copied into the limit, and a measured value to six digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"

"""Search at equal cost: a candidate's final network, scaled in width until it meets the objective's budget."""

import bisect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells.body import Body
from autoshrink.cells.cell import Cell
from autoshrink.costs import scaling
from autoshrink.errors import ParameterError
from autoshrink.evaluation.measured import kept
from autoshrink.lineage.records import Facts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.records.evaluation import Fitted
from autoshrink.records.proposal import Changes, said
from autoshrink.records.record import Number
from autoshrink.tasks.spec import Counts, spec_of

if TYPE_CHECKING:
    from torch import nn

MARGIN_STEPS = 6
"""Widths beyond the bracket that are looked at too, as ``scaling`` looks beside its answer."""
ANY_MARGIN = 1.0
"""Widths are rounded to whole channels, so a budget is seldom filled: the margin is reported, not limited."""


@dataclass(frozen=True)
class Fitting:
    """What fits cells to the budget of a task's objective.

    ``data`` is the folder of the final training's prepared data; measured latencies are kept in ``store``, with records
    of the facts that ``made_by`` gives.
    """

    parameters: Parameters
    task: Task
    data: Path
    store: Path
    made_by: Callable[[], Facts] | None = None

    @cached_property
    def limits(self) -> dict[str, float]:
        """The budget's limits, by the cost they bound."""
        budget = spec_of(self.task).search(self.parameters).objective.budget
        assert budget is not None
        return budget.limits

    @cached_property
    def example(self) -> Counts:
        """The sizes of one example of the final training."""
        spec = spec_of(self.task)
        return spec.example(spec.load(self.data), spec.training(self.parameters))

    def fit(self, cell: Body, changes: Changes | None = None) -> Fitted:
        """Return the widest final network of a cell within the budget or, where no width is, the narrowest one.

        ``changes`` are what the network has other than the recipe's.
        """
        spec = spec_of(self.task)
        network = self._network(changes)
        widths = spec.widths(network)
        if not widths:
            raise ParameterError(
                f"search.{self.task}.objective.budget: networks of the task {self.task} have no width to scale; remove "
                "it"
            )

        @cache
        def costs_at(width: float) -> Mapping[str, Number]:
            return self.costs(cell, width, changes)

        try:
            near = _bracket(lambda width: self._within(costs_at(width)), widths)
            found = scaling.scale(costs_at, self.limits, near, tolerance=ANY_MARGIN, fit="at_most")
            # activations may cost the same at several widths
            wider = itertools.takewhile(
                lambda width: self._within(costs_at(width)), (width for width in widths if width > found.width)
            )
            found = scaling.scale(
                costs_at, self.limits, [[found.width, *wider][-1]], tolerance=ANY_MARGIN, fit="at_most"
            )
        except scaling.UnreachableCostError:
            costs = costs_at(widths[0])
            binding = max(self.limits, key=lambda name: costs[name] / self.limits[name])
            found = scaling.Scaled(widths[0], costs, binding, costs[binding] / self.limits[binding])
        return Fitted(
            width=found.width,
            network=spec.widened(network, found.width).model_dump(mode="json"),
            changes=changes or {},
            costs=found.costs,
            limits=self.limits,
            binding=found.binding,
            margin=found.margin,
        )

    @property
    def _bits(self) -> int:
        bits: int = spec_of(self.task).search(self.parameters).objective.device_bits
        return bits

    def _within(self, costs: Mapping[str, Number]) -> bool:
        return all(costs[name] <= limit for name, limit in self.limits.items())

    def _network(self, changes: Changes | None) -> Any:
        recipe = spec_of(self.task).training(self.parameters)
        return recipe.network.changed(changes) if changes else recipe.network

    def proxy(self, fitted: Fitted) -> TaskProxy:
        """Return the proxy whose network is as much wider than the recipe's as the fitted final network is, and has the
        same changes."""
        spec = spec_of(self.task)
        recipe: TaskProxy = spec.proxy(self.parameters)
        network = recipe.network.changed(fitted.changes) if fitted.changes else recipe.network
        return recipe.model_copy(update={"network": spec.widened(network, fitted.width)})

    def costs(self, cell: Body, width: float, changes: Changes | None = None) -> Mapping[str, Number]:
        """Return the costs of the cell's final network at a width: all counts, and what else the budget limits."""
        from autoshrink.costs import counting, latency, memory, small_device
        from autoshrink.runtime import devices

        spec = spec_of(self.task)
        network = spec.widened(self._network(changes), width)
        module, inputs = spec.example_network(cell.canonical(), network, self.example)
        costs: dict[str, Number] = dict(counting.measure(module, inputs))
        if "activation_bytes" in self.limits:
            costs["activation_bytes"] = memory.peak_activation_bytes(module, inputs)
        for name in small_device.COUNTS.keys() & self.limits.keys():
            costs[name] = small_device.COUNTS[name](module, inputs, self._bits)
        if "latency_ms" in self.limits:
            device = devices.pick(self.parameters.compute)
            identity = {
                "task": str(self.task),
                "final_network": network.model_dump(mode="json"),
                "example": dict(self.example),
                "cell": cell.key,
                "cost": "latency_ms",
                "device": latency.device_name(device),
            }
            # times do not depend on the weights' values; zeros are the quickest to make, and never subnormal
            costs["latency_ms"] = kept(
                self.store / "measurements",
                identity,
                lambda: latency.measure(module.to_empty(device="cpu").apply(_zero), inputs, device),
                self.made_by,
            )
        return costs

    def check(self) -> None:
        """Raise ParameterError, a line per network, where no cell can meet the budget, or only with one channel.

        The cells of a single edge cost least.
        """
        finalists = spec_of(self.task).search(self.parameters).finalists
        wrong = []
        for number, changes in enumerate([None, *(finalists.networks if finalists else ())]):
            try:
                self._check(changes)
            except ParameterError as error:
                where = f"search.{self.task}.finalists.networks.{number - 1} ({said(changes)}): " if changes else ""
                wrong.append(f"{where}{error}")
        if wrong:
            raise ParameterError("\n".join(wrong))

    def _check(self, changes: Changes | None) -> None:
        spec = spec_of(self.task)
        section = spec.search(self.parameters)
        cells = [Cell.of([operator], [(0, 1)]) for operator in dict.fromkeys(section.operators)]
        fits = {cell.key: self.fit(cell, changes) for cell in cells}
        narrowest = next(iter(spec.widths(self._network(changes))))
        if any(found.margin >= 0 and found.width > narrowest for found in fits.values()):
            return
        nearest = max(fits, key=lambda key: fits[key].margin)
        found = fits[nearest]
        key = f"search.{self.task}.objective.budget.{found.binding} = {self.limits[found.binding]:g}"
        value = found.costs[found.binding]
        cost = str(value) if isinstance(value, int) else f"{value:.6g}"  # a count in full, to be copied
        if found.margin < 0:
            raise ParameterError(
                f"{key}: no cell meets it; the nearest, {nearest}, has {cost} in a final network as narrow as can be; "
                f"accepted: more than that, or a smaller training.{self.task}.network"
            )
        raise ParameterError(
            f"{key}: met only by networks as narrow as can be (the nearest, {nearest}, has {cost}); accepted: more, or "
            f"a smaller training.{self.task}.network"
        )


def _bracket(within: Callable[[float], bool], widths: Sequence[float]) -> Sequence[float]:
    """Return the part of ``widths`` where the budget is crossed, found by doubling and halving from 1: bisection over
    all of them would begin with networks that no machine holds."""
    low = high = max(bisect.bisect_right(widths, 1.0) - 1, 0)
    while high + 1 < len(widths) and within(widths[high]):
        low, high = high, max(high + 1, bisect.bisect_right(widths, 2 * widths[high]) - 1)
    while low > 0 and not within(widths[low]):
        low, high = min(low - 1, bisect.bisect_left(widths, widths[low] / 2)), low
    return widths[max(low - MARGIN_STEPS, 0) : high + MARGIN_STEPS + 1]


def _zero(layer: "nn.Module") -> None:
    for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)):
        tensor.data.zero_()

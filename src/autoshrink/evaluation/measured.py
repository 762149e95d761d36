"""Measure the optional costs of an objective: latency on this device, activation memory, and a small device's memory
and flash.

They are no part of an evaluation, which is the same on every machine. Each is kept in the store under what it depends
on: the cell, the network around it, and for a latency the device; so it is measured once, and a search that is run
again sees the same numbers.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import latency, memory, small_device
from autoshrink.errors import ArtifactError
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.lineage.records import Facts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.objective import DEVICE
from autoshrink.records.record import Number, SealedRecord
from autoshrink.records.timing import StepTiming
from autoshrink.tasks.spec import spec_of


class Measurement(SealedRecord):
    """One measured cost, and all that it depends on."""

    KIND: ClassVar = "measurement"

    identity: Mapping[str, JsonValue]
    value: Number


class Measurements:
    """The costs of cells under these parameters, kept in ``folder``; ``data`` is the digest of the prepared data set.

    ``made_by`` gives the facts of the lineage record that a new measurement gets; None: it gets none.
    """

    def __init__(
        self,
        parameters: Parameters,
        task: Task,
        networks: Networks,
        data: str,
        folder: Path,
        made_by: Callable[[], Facts] | None = None,
    ) -> None:
        spec = spec_of(task)
        self._made_by = made_by
        section, recipe = spec.search(parameters), spec.proxy(parameters)
        self._objective, self._networks, self._folder = section.objective, networks, folder / "measurements"
        self._compute = parameters.compute
        self._about: dict[str, JsonValue] = {
            "task": str(task),
            "network": recipe.network.model_dump(mode="json"),
            "data": data,
        }

    def of(self, cell: Cell) -> dict[str, Number]:
        """Return the costs of a cell that the objective asks for and no evaluation has: ``latency_ms``,
        ``activation_bytes``, and those of a small device."""
        from autoshrink.runtime import devices

        objective, bits = self._objective, self._objective.device_bits
        found: dict[str, Number] = {}
        if objective.memory_weight > 0:
            found["activation_bytes"] = self._kept({"cost": "activation_bytes"}, cell, memory.peak_activation_bytes)
        for name in DEVICE:
            if name in objective.limits or name in objective.lower_limits:
                count = partial(small_device.COUNTS[name], bits=bits)
                found[name] = self._kept({"cost": name, "bits": bits}, cell, count)
        if objective.needs_latency:
            device = devices.pick(self._compute)
            about = {"cost": "latency_ms", "device": latency.device_name(device)}
            found["latency_ms"] = self._kept(
                about, cell, lambda module, inputs: latency.measure(module, inputs, device)
            )
        return found

    def counted(self, cell: Cell) -> dict[str, Number]:
        """Return all costs of a cell that limits may bound, without training it."""
        return {**self._networks.count(cell), **self.of(cell)}

    def _kept(
        self, about: Mapping[str, JsonValue], cell: Cell, measure: Callable[[nn.Module, Sequence[Tensor]], Number]
    ) -> Number:
        identity: dict[str, JsonValue] = {**self._about, **about, "cell": cell.key}
        return kept(self._folder, identity, lambda: measure(*self._networks.build(cell.canonical())), self._made_by)


def kept(
    folder: Path,
    identity: Mapping[str, JsonValue],
    measure: Callable[[], Number],
    made_by: Callable[[], Facts] | None = None,
) -> Number:
    """Return what ``folder`` keeps of this identity; where that is nothing, measure it and keep it.

    ``made_by`` gives the facts of the lineage record that a new measurement gets; None: it gets none. Raises
    ArtifactError where a file stands in its place that no record says AutoShrink wrote.
    """
    key = artifacts.digest_of(identity)
    path = folder / key[:2] / f"{key}.json"
    if path.exists():
        try:
            found = Measurement.read(path)
            if found.identity != identity:
                raise ArtifactError(f"{path}: is the measurement of something else")
            return found.value
        except ArtifactError as error:
            if not records.path_of(path).is_file() and not artifacts.is_sealed(path):
                raise ArtifactError(f"{error}; no record says that AutoShrink wrote it, so it is left alone") from None
            artifacts.set_aside(path, "damaged")
    start = time.perf_counter()
    measured = Measurement(identity=identity, value=measure())
    if made_by is not None:  # timing and record first, as the store's evaluations have them
        StepTiming(seconds=round(time.perf_counter() - start, 3)).write_beside(path)
        records.write(path, {}, {path: hashlib.sha256(measured.sealed()).hexdigest()}, made_by())
    measured.write(path)
    return measured.value

"""Costs that an objective may ask for beside parameters and MACs: latency on this device, and activation memory.

They are no part of an evaluation, which is the same on every machine. Each is kept in the store under what it depends
on: the cell, the network around it, and for a latency the device; so it is measured once, and a search that is run
again sees the same numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import JsonValue

from autoshrink.cells.cell import Cell
from autoshrink.costs import latency, memory
from autoshrink.errors import ArtifactError
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.record import Number, SealedRecord
from autoshrink.tasks.spec import spec_of


class Measurement(SealedRecord):
    """One measured cost, and all that it depends on."""

    KIND: ClassVar = "measurement"

    identity: Mapping[str, JsonValue]
    value: Number


class Measurements:
    """The costs of cells under these parameters, kept in ``folder``; ``data`` is the digest of the prepared data
    set."""

    def __init__(self, parameters: Parameters, task: Task, networks: Networks, data: str, folder: Path) -> None:
        spec = spec_of(task)
        section, recipe = spec.search(parameters), spec.proxy(parameters)
        self._objective, self._networks, self._folder = section.objective, networks, folder / "measurements"
        self._compute = parameters.compute
        self._about: dict[str, JsonValue] = {
            "task": str(task),
            "network": recipe.network.model_dump(mode="json"),
            "data": data,
        }

    def of(self, cell: Cell) -> dict[str, Number]:
        """Return the measured costs of a cell that the objective asks for: ``latency_ms``, ``activation_bytes``."""
        from autoshrink.runtime import devices

        found: dict[str, Number] = {}
        if self._objective.memory_weight > 0:
            found["activation_bytes"] = self._kept({"cost": "activation_bytes"}, cell, None)
        if self._objective.needs_latency:
            device = devices.pick(self._compute)
            about = {"cost": "latency_ms", "device": latency.device_name(device)}
            found["latency_ms"] = self._kept(about, cell, device)
        return found

    def counted(self, cell: Cell) -> dict[str, Number]:
        """Return all costs of a cell that limits may bound, without training it."""
        return {**self._networks.count(cell), **self.of(cell)}

    def _kept(self, about: dict[str, str], cell: Cell, device: torch.device | None) -> Number:
        identity: dict[str, JsonValue] = {**self._about, **about, "cell": cell.key}
        key = artifacts.digest_of(identity)
        path = self._folder / key[:2] / f"{key}.json"
        if path.exists():
            try:
                return Measurement.read(path).value
            except ArtifactError:
                artifacts.set_aside(path, "damaged")
        module, inputs = self._networks.build(cell.canonical())
        value: Number
        if device is None:
            value = memory.peak_activation_bytes(module, inputs)
        else:
            value = latency.measure(module, inputs, device)
        Measurement(identity=identity, value=value).write(path)
        return value

"""A plan as a value: what every method comes to, what the chosen one does, and the file that holds both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.planner import placements
from autoshrink.planner.array import Array
from autoshrink.planner.fitting import best_plan, fitting_plan, fullness
from autoshrink.planner.layers import Kind, Network
from autoshrink.planner.planning import Division, Method, Settings, Shares
from autoshrink.planner.simulation import simulate
from autoshrink.planner.timing import PICOSECONDS, Costing

KIND, VERSION = "plan", 1


@dataclass(frozen=True)
class MethodResult:
    """What one method comes to. Times are of one training step, in seconds, without overlap but for ``overlapped``.

    ``communication`` is by level, the first split's first; ``memory`` maps accelerators to (needed, there) in bytes.
    ``bound`` says what most of the step goes into. Where a method cannot plan the network, ``problem`` says why and
    the rest is empty.
    """

    method: str
    shares: str
    step: float | None
    overlapped: float | None
    compute: float | None
    communication: tuple[float, ...]
    memory: tuple[tuple[str, float, float], ...]
    fits: bool
    exact: bool
    bound: str
    problem: str

    @property
    def name(self) -> str:
        """The method, and how its shares are."""
        return f"{self.method}, {self.shares} shares"


@dataclass(frozen=True)
class GroupPlan:
    """The chosen plan of one group: a type (0, 1, 2 for I, II, III) and the first side's share for each layer.

    ``sides`` is empty for a device, and holds one plan where both sides do the same.
    """

    group: str
    types: tuple[int, ...]
    shares: tuple[float, ...]
    exact: bool
    sides: "tuple[GroupPlan, ...]"

    def levels(self) -> "list[GroupPlan]":
        """Return the plans of the first sides, the first split's first."""
        return [self, *self.sides[0].levels()] if self.sides and self.types else []


@dataclass(frozen=True)
class Plan:
    """The content of a plan file."""

    network: str
    batch: int
    weights: int
    macs: int
    layers: tuple[tuple[str, str], ...]
    """Name and kind of each."""
    array: str
    devices: str
    chosen: str
    calibrated_on: str | None
    sentence: str
    methods: tuple[MethodResult, ...]
    plan: GroupPlan
    time_steps: int | None = None
    """Of a recurrent network's sequences."""

    def to_json(self) -> Json:
        """Return JSON values; ``from_json`` reads them back.

        ``placements`` tells what each type means for each kind of layer, as DTensor's placements in one dimension of a
        device mesh; every split is such a dimension.
        """
        kinds = sorted({Kind(kind) for _, kind in self.layers})
        return {**asdict(self), "placements": {kind.value: placements.of_kind(kind) for kind in kinds}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """Read what ``to_json`` wrote. Raises ArtifactError on anything else."""
        try:
            values = {key: item for key, item in value.items() if key != "placements"}
            values["layers"] = tuple((name, kind) for name, kind in values["layers"])
            values["methods"] = tuple(
                MethodResult(
                    **{
                        **item,
                        "communication": tuple(item["communication"]),
                        "memory": tuple((name, needed, has) for name, needed, has in item["memory"]),
                    }
                )
                for item in values["methods"]
            )
            values["plan"] = _group(values["plan"])
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ArtifactError("not a plan: expected network, array, methods and plan") from None

    def save(self, path: Path) -> None:
        """Write the plan, sealed."""
        artifacts.write_sealed(path, KIND, VERSION, self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read a plan file. Raises ArtifactError, naming the file."""
        try:
            return cls.from_json(artifacts.read_sealed(path, KIND, VERSION))
        except ArtifactError as error:
            text = str(error)
            raise ArtifactError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _group(value: Mapping[str, Any]) -> GroupPlan:
    return GroupPlan(
        str(value["group"]),
        tuple(int(kind) for kind in value["types"]),
        tuple(float(share) for share in value["shares"]),
        bool(value["exact"]),
        tuple(_group(side) for side in value["sides"]),
    )


def make(
    network: Network,
    array: Array,
    settings: Settings,
    calibrated_on: str | None = None,
) -> Plan:
    """Plan the network by all methods, and keep the plan of the one that ``settings`` names.

    Raises UserError where that method cannot plan it, or where no plan of it fits into memory.
    """
    chosen = fitting_plan(network, array, settings)
    results: list[MethodResult] = []
    both: tuple[Shares, ...] = ("equal", "balanced")
    for method in Method:
        for shares in both:
            own = Settings(
                method,
                shares,
                settings.whole,
                settings.optimizer_numbers,
                settings.slowness,
                settings.exact_states,
                settings.beam,
            )
            is_chosen = (method, shares) == (settings.method, settings.shares)
            try:
                division = chosen if is_chosen else best_plan(network, array, own)
            except UserError as error:
                results.append(_impossible(own, str(error)))
            else:
                results.append(_result(network, array, own, division))
    return Plan(
        network.name,
        network.batch,
        network.weights,
        network.macs,
        tuple((layer.name, layer.kind.value) for layer in network.layers),
        array.name,
        array.root.label,
        f"{settings.method}, {settings.shares} shares",
        calibrated_on,
        _sentence(network, array, settings, results),
        tuple(results),
        _told(chosen),
        network.loop.steps if network.loop else None,
    )


def _impossible(settings: Settings, problem: str) -> MethodResult:
    return MethodResult(settings.method, settings.shares, None, None, None, (), (), False, True, "", problem)


def _result(network: Network, array: Array, settings: Settings, division: Division) -> MethodResult:
    costing = Costing(network, array, settings)
    parts = costing.parts(division)
    times = {"computing": parts.compute}
    for level, ticks in enumerate(parts.communication, 1):
        times[f"communication at level {level}"] = ticks
    bound = max(times, key=lambda name: times[name])
    share = times[bound] / parts.total if parts.total else 0.0
    return MethodResult(
        settings.method.value,
        settings.shares,
        parts.total / PICOSECONDS,
        simulate(costing, division, overlap=True).total / PICOSECONDS,
        parts.compute / PICOSECONDS,
        tuple(ticks / PICOSECONDS for ticks in parts.communication),
        tuple((item.accelerator, item.needed, item.has) for item in costing.memory(division)),
        fullness(costing, division) <= 1,
        division.is_exact,
        f"{bound}, {share:.0%} of the step",
        "",
    )


def _sentence(network: Network, array: Array, settings: Settings, results: Sequence[MethodResult]) -> str:
    by_name = {(item.method, item.shares): item for item in results}
    data = by_name["data", "equal"]
    chosen = by_name[settings.method.value, settings.shares]
    where = f"{array.root.label} ({array.name})"
    if data.step is None or chosen.step is None:
        return f"{network.name} cannot be trained by data parallelism on {where}; {chosen.name} plans it."
    times = data.step / chosen.step if chosen.step else 1.0
    verdict = f"{times:.2f} times as fast as" if times >= 1 else f"slower, at {times:.2f} of the speed, than"
    return (
        f"A training step of {network.name}, {network.batch} examples, is {verdict} data parallelism with equal shares "
        f"under {chosen.name}, on {where}: {chosen.step * 1e3:.4g} ms instead of {data.step * 1e3:.4g}, as planned."
    )


def _told(division: Division) -> GroupPlan:
    return GroupPlan(
        division.group.label,
        tuple(int(kind) for kind in division.types),
        division.shares,
        division.exact,
        tuple(_told(side) for side in division.distinct_sides),
    )

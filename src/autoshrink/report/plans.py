"""Plans of training on other accelerators, as the page shows them: a strip of layers by level, and bars by method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoshrink.params import Parameters
from autoshrink.planner.outcome import GroupPlan, MethodResult, Plan
from autoshrink.search import rounds
from autoshrink.workflow.layout import Layout

NUMERALS = ("I", "II", "III")
METHODS = {"data": "Data parallelism", "owt": "One weird trick", "hypar": "HyPar", "accpar": "AccPar"}


@dataclass(frozen=True)
class Level:
    """One split of the plan: what it divides, and each layer's type (0, 1, 2 or None for a join) and words for it."""

    label: str
    layers: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Bar:
    """One method's step: its length in percent of the longest, and how much of that is computing."""

    label: str
    chosen: bool
    length: float
    computing: float
    words: str


@dataclass(frozen=True)
class Panel:
    """One search's plan."""

    title: str
    plan: Plan
    levels: tuple[Level, ...]
    bars: tuple[Bar, ...]
    bound: str
    memory: str


def read(results: Path, parameters: Parameters) -> list[Panel]:
    """Return the panels of a run; none where it asked for no plan. Raises ArtifactError where one is damaged."""
    if parameters.plan.devices is None:
        return []
    layout = Layout.of(parameters).at(results)
    return [
        _panel(f"{task}/{name}", Plan.load(layout.search(task, str(name)).plan))
        for task in parameters.tasks
        for name in rounds.searches(parameters, task)
    ]


def _panel(title: str, plan: Plan) -> Panel:
    chosen = next(item for item in plan.methods if item.name == plan.chosen)
    memory = ", ".join(f"{name} {needed / 1e9:.3g} of {has / 1e9:.3g} GB" for name, needed, has in chosen.memory)
    return Panel(title, plan, _levels(plan), _bars(plan.methods, plan.chosen), chosen.bound, memory)


def _levels(plan: Plan) -> tuple[Level, ...]:
    weighted = [(index, name) for index, (name, kind) in enumerate(plan.layers) if kind != "join"]

    def layers(level: GroupPlan) -> tuple[tuple[int, str], ...]:
        return tuple(
            (level.types[index], f"{name}: type {NUMERALS[level.types[index]]}, first side {level.shares[index]:.1%}")
            for index, name in weighted
        )

    found = []
    waiting = [(1, plan.plan)]
    while waiting:
        number, current = waiting.pop(0)
        if not current.types:
            continue
        found.append(Level(f"{number}: {current.group}", layers(current)))
        waiting += [(number + 1, side) for side in current.sides]
    return tuple(found)


def _bars(methods: Sequence[MethodResult], chosen: str) -> tuple[Bar, ...]:
    longest = max((item.step for item in methods if item.step), default=1.0)
    found = []
    for item in methods:
        label = f"{METHODS[item.method]}, {item.shares}"
        if item.step is None or item.compute is None or item.overlapped is None:
            found.append(Bar(label, False, 0.0, 0.0, "cannot plan it"))
            continue
        words = f"{item.step * 1e3:.4g} ms ({item.overlapped * 1e3:.4g} overlapped)"
        words += "" if item.fits else ", does not fit into memory"
        words += "" if item.exact else ", inexact: a beam"
        length = 100 * item.step / longest
        found.append(Bar(label, item.name == chosen, length, length * item.compute / item.step, words))
    return tuple(found)

"""What a plan comes to: the time of one training step, its parts, and the memory that each kind of device needs.

A step of training is a sequence of *actions*: move an edge's tensor, multiply forward, move an error back, multiply for
the error and for the gradient. Without overlap no action starts before the one before it has ended everywhere. Within
an action a device computes, then receives what its side of each split lacks, the innermost split first. Times are whole
picoseconds, so that sums are exact in any order.

A recurrent layer's actions happen in every time step, all but its gradients: these are computed, and summed over the
sides, once for all time steps, when the errors have travelled back through all of them. The state that the first time
step starts from has no error.

Shapes: A actions, L layers, E edges.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autoshrink.planner import tables
from autoshrink.planner.array import Accelerator, Array
from autoshrink.planner.layers import Kind, Network
from autoshrink.planner.planning import Division, Settings, slowness
from autoshrink.planner.tables import Constants, Part, Sizes, Splits

PICOSECONDS = 1e12
Ticks = NDArray[np.int64]


@dataclass(frozen=True)
class Action:
    """One action of a training step: ``index`` is a layer's, or an edge's where ``what`` moves a tensor."""

    what: str
    """``move`` or ``move back`` an edge's tensor; ``forward``, ``error`` or ``gradient`` of a layer."""
    index: int
    times: int = 1
    """How often it happens, in as many time steps."""


@dataclass(frozen=True)
class Parts:
    """Where a step's time goes, on the path of the slower sides, in picoseconds."""

    compute: int
    communication: tuple[int, ...]
    """By level, the first split's first."""

    @property
    def total(self) -> int:
        """The time of the step."""
        return self.compute + sum(self.communication)


@dataclass(frozen=True)
class Memory:
    """Bytes that a device of one kind needs at most, and what it has."""

    accelerator: str
    needed: float
    has: float


class Costing:
    """Times and memory of plans of one network."""

    def __init__(self, network: Network, array: Array, settings: Settings) -> None:
        self.network, self.array, self.settings = network, array, settings
        self.constants = Constants.of(network)
        self.slowness_L3 = slowness(network, settings)

    @cached_property
    def sequence(self) -> tuple[tuple[int, int], ...]:
        """The actions of a training step in order, by index into ``actions``, each with its time step (else 0)."""
        return self._ordered[1]

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """The different actions of a training step; what happens in several time steps is one."""
        return self._ordered[0]

    @cached_property
    def _ordered(self) -> tuple[tuple[Action, ...], tuple[tuple[int, int], ...]]:
        network, edges = self.network, self.network.edges
        loop = network.loop
        first, end, steps = (loop.first, loop.end, loop.steps) if loop else (len(network.layers),) * 2 + (0,)
        before, inside, after = range(first), range(first, end), range(end, len(network.layers))
        places: dict[tuple[str, int], int] = {}
        counts: dict[tuple[str, int], int] = {}
        sequence: list[tuple[int, int]] = []

        def act(what: str, index: int, step: int = 0) -> None:
            counts[what, index] = counts.get((what, index), 0) + 1
            sequence.append((places.setdefault((what, index), len(places)), step))

        def move_in(index: int, is_inside: bool, step: int = 0) -> None:
            for number, edge in enumerate(edges):
                if edge.target == index and network.is_inside(edge) is is_inside:
                    act("move", number, step)

        def move_out(index: int, is_inside: bool, step: int = 0) -> None:
            for number, edge in enumerate(edges):
                if (
                    edge.source == index
                    and network.is_inside(edge) is is_inside
                    and not (edge.previous and step == steps)
                ):
                    act("move back", number, step)

        def forward(layers: range) -> None:
            for index in layers:
                move_in(index, False)
                act("forward", index)

        def backward(layers: range) -> None:
            for index in reversed(layers):
                move_out(index, False)
                act("error", index)
                act("gradient", index)

        forward(before)
        for index in inside:
            move_in(index, False)
        for step in range(1, steps + 1):
            for index in inside:
                move_in(index, True, step)
                act("forward", index, step)
        forward(after)
        backward(after)
        for index in reversed(inside):
            move_out(index, False)
        for step in range(steps, 0, -1):
            for index in reversed(inside):
                move_out(index, True, step)
                if step > 1 or not network.begins_the_loop(index):
                    act("error", index, step)
        for index in reversed(inside):
            act("gradient", index)
        backward(before)
        return tuple(Action(what, index, counts[what, index]) for what, index in places), tuple(sequence)

    @cached_property
    def times(self) -> Ticks:
        """How often each action (A) happens."""
        return np.array([action.times for action in self.actions])

    def computing(self, division: Division) -> Ticks:
        """Return what a single device computes in each action (A)."""
        accelerator = division.group.accelerator
        assert accelerator is not None
        work_L3 = Sizes.of(self.constants, Part.stacked([division.part])).work_LK3[:, 0] * self.slowness_L3
        return self._by_action(work_L3 / accelerator.speed, np.zeros((2, len(self.network.edges))))

    def receiving(self, division: Division) -> tuple[Ticks, Ticks]:
        """Return how long each side of a split receives in each action (A)."""
        constants = self.constants
        sizes = Sizes.of(constants, Part.stacked([division.part]))
        splits = Splits.of([division.group], self.array.bytes_per_number)
        types_L, shares_L = np.array(division.types), np.array(division.shares)
        layers = np.arange(len(types_L))
        _, receiving = tables.layer_seconds(constants, sizes, splits, shares_L[:, None], self.slowness_L3)
        is_summed_L3 = types_L[:, None] == np.array(Sizes.SUMS)
        from_forms = constants.output_forms_L3[layers, types_L][constants.sources_E]
        to_forms = constants.input_forms_L3[layers, types_L][constants.targets_E]
        forward, backward = tables.edge_seconds(
            constants,
            sizes,
            splits,
            from_forms[:, None],
            to_forms[:, None],
            shares_L[constants.sources_E][:, None],
            shares_L[constants.targets_E][:, None],
        )
        first, second = (
            self._by_action(
                np.where(is_summed_L3, receiving[side][:, 0], 0.0),
                np.stack([forward[side, :, 0], backward[side, :, 0]]),
            )
            for side in (0, 1)
        )
        return first, second

    def _by_action(self, layers_L3: tables.Floats, edges_2E: tables.Floats) -> Ticks:
        seconds = np.concatenate([layers_L3.ravel(), edges_2E.ravel()])[self._places]
        return np.rint(seconds / self.times * PICOSECONDS).astype(np.int64)

    @cached_property
    def _places(self) -> Ticks:
        """Where each action (A) stands among the layers' products and the edges' two directions."""
        layers, edges = len(self.network.layers), len(self.network.edges)
        places = {
            "forward": lambda index: 3 * index,
            "error": lambda index: 3 * index + 1,
            "gradient": lambda index: 3 * index + 2,
            "move": lambda index: 3 * layers + index,
            "move back": lambda index: 3 * layers + edges + index,
        }
        return np.array([places[action.what](action.index) for action in self.actions])

    def parts(self, division: Division) -> Parts:
        """Return the time of a step without overlap, by its parts."""
        _, compute, levels = self._follow(division, {})
        return Parts(int(compute @ self.times), tuple(int(level @ self.times) for level in levels))

    def _follow(
        self, division: Division, known: dict[int, tuple[Ticks, Ticks, list[Ticks]]]
    ) -> tuple[Ticks, Ticks, list[Ticks]]:
        """Return each action's time, and its computing and receiving by level on the slower side's path."""
        if id(division) in known:
            return known[id(division)]
        if division.sides is None:
            ticks = self.computing(division)
            found: tuple[Ticks, Ticks, list[Ticks]] = ticks, ticks, []
        else:
            received = self.receiving(division)
            sides = [self._follow(side, known) for side in division.sides]
            times = [sides[side][0] + received[side] for side in (0, 1)]
            slower = times[1] > times[0]
            nothing = np.zeros_like(times[0])
            depth = max(len(side[2]) for side in sides)
            below = [side[2] + [nothing] * (depth - len(side[2])) for side in sides]
            found = (
                np.where(slower, times[1], times[0]),
                np.where(slower, sides[1][1], sides[0][1]),
                [
                    np.where(slower, received[1], received[0]),
                    *(np.where(slower, second, first) for first, second in zip(*below, strict=True)),
                ],
            )
        known[id(division)] = found
        return found

    def memory(self, division: Division) -> tuple[Memory, ...]:
        """Return what the fullest device of each kind needs.

        Weights, their gradients and the optimizer's numbers, and each layer's input and output, which the backward
        pass reads; scratch space is not counted.
        """
        kept = 2 + self.settings.optimizer_numbers
        weighted = np.array([layer.kind is not Kind.JOIN for layer in self.network.layers])
        fullest: dict[Accelerator, float] = {}
        for leaf in leaves(division):
            sizes = Sizes.of(self.constants, Part.stacked([leaf.part]))
            activations_L = (sizes.inputs_LK + sizes.outputs_LK)[:, 0]
            numbers = float((kept * sizes.weights_LK[:, 0] + weighted * activations_L).sum())
            accelerator = leaf.group.accelerator
            assert accelerator is not None
            needed = numbers * self.array.bytes_per_number
            fullest[accelerator] = max(fullest.get(accelerator, 0.0), needed)
        return tuple(Memory(item.name, needed, item.memory) for item, needed in fullest.items())


def leaves(division: Division) -> list[Division]:
    """Return the single devices' parts of a plan, each distinct one once."""
    found: dict[int, Division] = {}
    waiting, seen = [division], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if current.sides is None:
            found[id(current)] = current
        waiting += current.distinct_sides
    return list(found.values())

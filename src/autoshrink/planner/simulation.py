"""A simulation of one training step, event by event: devices compute, the sides of each split receive.

Every device and every receiving side does one thing at a time, in the order of the step's actions. Without overlap
nothing of an action starts before the one before it has ended everywhere, which is what the planner adds up
(``timing``), so both agree to the picosecond. With overlap an action waits for its data alone: gradients are summed
while errors still travel back.
"""

import heapq
from dataclasses import dataclass

from autoshrink.planner.planning import Division
from autoshrink.planner.timing import Costing


@dataclass(frozen=True)
class Simulation:
    """What a simulated step took, in picoseconds, and how long its busiest device computed."""

    total: int
    busiest: int


@dataclass
class _Task:
    duration: int
    waits: int
    then: list[int]


def simulate(costing: Costing, division: Division, overlap: bool) -> Simulation:
    """Return the time of a step of ``division``, actions overlapping or not. Equal halves are simulated once."""
    # what happens in several time steps stands here for each of them
    order = [action for action, _ in costing.sequence]
    tasks: list[_Task] = []
    # for each action, what it ends with, by side of the first split: one entry in all where there is no split
    ends: list[list[int]] = [[] for _ in order]
    starts: list[list[tuple[int, int]]] = [[] for _ in order]  # its computing tasks, and the side each is on
    busiest = 0

    def add(duration: int, after: list[int]) -> int:
        tasks.append(_Task(duration, len(after), []))
        for other in after:
            tasks[other].then.append(len(tasks) - 1)
        return len(tasks) - 1

    def walk(current: Division, side: int, is_root: bool) -> list[int]:
        """Add the tasks of a group and return the one that ends each action."""
        nonlocal busiest
        if current.sides is None:
            durations = costing.computing(current)[order].tolist()
            busiest = max(busiest, sum(durations))
            found: list[int] = []
            for number, duration in enumerate(durations):
                found.append(add(duration, found[-1:]))
                starts[number].append((found[-1], side))
                if is_root:
                    ends[number].append(found[-1])
            return found
        received = costing.receiving(current)
        last = []
        for index, child in enumerate(current.distinct_sides):
            inner = walk(child, index if is_root else side, False)
            line: list[int] = []
            for number, duration in enumerate(received[index][order].tolist()):
                line.append(add(duration, [inner[number], *line[-1:]]))
                if is_root:
                    ends[number].append(line[-1])
            last.append(line)
        if len(last) == 1:
            return last[0]
        return [add(0, [first, second]) for first, second in zip(*last, strict=True)]

    walk(division, 0, True)
    needs = _needs(costing) if overlap else [[number - 1] if number else [] for number in range(len(order))]
    for number, needed in enumerate(needs):
        for task, side in starts[number]:
            for other in needed:
                # with overlap a device waits for what its own side received
                for end in ends[other][side : side + 1] if overlap else ends[other]:
                    tasks[end].then.append(task)
                    tasks[task].waits += 1
    return Simulation(_run(tasks), busiest)


def _run(tasks: list[_Task]) -> int:
    """Return when the last task ends."""
    ending = [(task.duration, index) for index, task in enumerate(tasks) if not task.waits]
    heapq.heapify(ending)
    done = now = 0
    while ending:
        now, index = heapq.heappop(ending)
        done += 1
        for other in tasks[index].then:
            task = tasks[other]
            task.waits -= 1
            if not task.waits:
                heapq.heappush(ending, (now + task.duration, other))
    assert done == len(tasks), "tasks wait for each other"
    return now


def _needs(costing: Costing) -> list[list[int]]:
    """Return which actions of the sequence each one needs the data of.

    What needs all time steps waits for the last one that runs: each device works through them in order.
    """
    network, loop = costing.network, costing.network.loop
    steps = loop.steps if loop else 0
    number = {
        (costing.actions[action].what, costing.actions[action].index, step): index
        for index, (action, step) in enumerate(costing.sequence)
    }
    into: dict[int, list[int]] = {}
    out_of: dict[int, list[int]] = {}
    for index, edge in enumerate(network.edges):
        into.setdefault(edge.target, []).append(index)
        out_of.setdefault(edge.source, []).append(index)

    def is_in_loop(layer: int) -> bool:
        return loop is not None and layer in loop

    def at(what: str, layer: int, step: int, last: int) -> tuple[str, int, int]:
        """Return a layer's action in a time step; where ``step`` is 0, from outside the loop, in its last one."""
        return what, layer, (step or last) if is_in_loop(layer) else 0

    def of(what: str, index: int, step: int) -> list[tuple[str, int, int]]:
        if what == "move":
            edge = network.edges[index]
            if edge.previous and step == 1:
                return []  # the state that the sequence starts from is there
            return [at("forward", edge.source, step - edge.previous if step else 0, steps)]
        if what == "move back":
            edge = network.edges[index]
            return [at("error", edge.target, step + edge.previous if step else 0, 1)]
        # a layer's own action in a time step, or of all of them
        edges = into.get(index, []) if what == "forward" else out_of.get(index, [])
        moved = "move" if what == "forward" else "move back"
        own = step or int(is_in_loop(index))
        wanted = [(moved, edge, own if network.is_inside(network.edges[edge]) else 0) for edge in edges]
        if what == "forward":
            return wanted
        there = [item for item in wanted if item in number]
        return there or [("forward", index, own)]

    found = []
    for action, step in costing.sequence:
        what, index = costing.actions[action].what, costing.actions[action].index
        found.append([number[needed] for needed in of(what, index, step)])
    return found

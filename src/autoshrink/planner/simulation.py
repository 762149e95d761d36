"""A simulation of one training step, event by event: devices compute, the sides of each split receive.

Every device and every receiving side does one thing at a time, in the order of the step's actions. Without overlap
nothing of an action starts before the one before it has ended everywhere, which is what the planner adds up
(``timing``), so both agree to the picosecond. With overlap an action waits for its data alone: gradients are summed
while errors still travel back.
"""

import heapq
from dataclasses import dataclass

from autoshrink.planner.planning import Division
from autoshrink.planner.timing import Action, Costing


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
    actions = costing.actions
    tasks: list[_Task] = []
    # for each action, what it ends with, by side of the first split: one entry in all where there is no split
    ends: list[list[int]] = [[] for _ in actions]
    starts: list[list[tuple[int, int]]] = [[] for _ in actions]  # its computing tasks, and the side each is on
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
            durations = costing.computing(current).tolist()
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
            for number, duration in enumerate(received[index].tolist()):
                line.append(add(duration, [inner[number], *line[-1:]]))
                if is_root:
                    ends[number].append(line[-1])
            last.append(line)
        if len(last) == 1:
            return last[0]
        return [add(0, [first, second]) for first, second in zip(*last, strict=True)]

    walk(division, 0, True)
    needs = _needs(costing) if overlap else [[number - 1] if number else [] for number in range(len(actions))]
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
    """Return which actions each action needs the data of."""
    network, actions = costing.network, costing.actions
    number = {(action.what, action.index): index for index, action in enumerate(actions)}
    into: dict[int, list[int]] = {}
    out_of: dict[int, list[int]] = {}
    for index, edge in enumerate(network.edges):
        into.setdefault(edge.target, []).append(index)
        out_of.setdefault(edge.source, []).append(index)

    def of(action: Action) -> list[tuple[str, int]]:
        if action.what == "move":
            return [("forward", network.edges[action.index].source)]
        if action.what == "move back":
            return [("error", network.edges[action.index].target)]
        if action.what == "forward":
            return [("move", edge) for edge in into.get(action.index, [])]
        returned = [("move back", edge) for edge in out_of.get(action.index, [])]
        return returned or [("forward", action.index)]

    return [[number[needed] for needed in of(action)] for action in actions]

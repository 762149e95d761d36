"""The order of execution that needs the least memory for activations.

Which tensors are alive follows from which operators are done, so an order is a path through sets of operators, and the
best one a path whose greatest need is least. Where every path leads through one operator, what comes before and after
is solved apart. An operator that leaves no more alive than before, and itself needs no more than is needed anyway, is
run at once: any order can be changed so without needing more, for what it frees it frees at any later time too.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.costs.dataflow import Dataflow

MOST_STATES = 10_000
"""Sets of operators looked at for one part of a network before the best order is no longer asked for."""
_BEAM = 64


@dataclass(frozen=True)
class Need:
    """The memory that an order of execution needs."""

    elements: int
    """Of all tensors that are alive at once, at most: of the operator that runs, and of those that wait."""
    order: tuple[int, ...]
    """The operators, by their place in the dataflow, as they run."""
    exact: bool
    """Whether no order needs less; otherwise this is the best one found."""


@dataclass(frozen=True)
class _State:
    peak: int
    done: int
    """The operators that have run, as bits."""
    alive: int
    order: tuple[int, ...]


def least(flow: Dataflow, most_states: int = MOST_STATES) -> Need:
    """Return the order that needs the least memory; exact unless a part of the network has more than ``most_states``
    sets of operators to look at."""
    problem = _Problem(flow)
    start = flow.elements(flow.inputs)
    state = _State(max(start, problem.floor), 0, start, ())
    exact = True
    for part in problem.parts:
        found = problem.best(state, part, most_states)
        exact = exact and found is not None
        state = problem.beam(state, part) if found is None else found
    return Need(state.peak, state.order, exact)


class _Problem:
    """A dataflow with what is asked of it again and again."""

    def __init__(self, flow: Dataflow) -> None:
        count = len(flow.operators)
        writer = {tensor: index for index, item in enumerate(flow.operators) for tensor in item.writes}
        readers: dict[int, int] = dict.fromkeys(range(len(flow.sizes)), 0)
        self._before: list[int] = []
        ancestors: list[int] = []
        for index, item in enumerate(flow.operators):
            direct = 0
            for tensor in item.reads:
                readers[tensor] |= 1 << index
                if tensor in writer:
                    direct |= 1 << writer[tensor]
            self._before.append(direct)
            ancestors.append(direct)
            for other in range(index):
                if direct >> other & 1:
                    ancestors[index] |= ancestors[other]
        self._written = [flow.elements(item.writes) for item in flow.operators]
        # what nobody reads is freed at once, unless it is the answer
        self._unread = [
            sum(flow.sizes[tensor] for tensor in item.writes if not readers[tensor] and tensor not in flow.outputs)
            for item in flow.operators
        ]
        # tensors that an operator may free: the last of their readers does
        self._frees = [
            [(readers[tensor], flow.sizes[tensor]) for tensor in item.reads if tensor not in flow.outputs]
            for item in flow.operators
        ]
        self.floor = max((flow.elements(item.reads | item.writes) for item in flow.operators), default=0)
        descendants = [sum(1 << i for i in range(count) if ancestors[i] >> index & 1) for index in range(count)]
        self.parts: list[list[int]] = [[]]
        for index in range(count):
            self.parts[-1].append(index)
            if (ancestors[index] | descendants[index] | 1 << index) == (1 << count) - 1:
                self.parts.append([])
        self.parts = [part for part in self.parts if part]

    def best(self, start: _State, part: Sequence[int], most_states: int) -> _State | None:
        """Return the best state in which ``part`` is done, or None where there are too many to look at."""
        end = start.done | sum(1 << index for index in part)
        number = itertools.count()
        waiting = [(start.peak, 0, next(number), start)]
        seen: set[int] = set()
        while waiting:
            state = self._run_what_is_free(heapq.heappop(waiting)[-1], part)
            if state.done == end:
                return state
            if state.done in seen:
                continue
            seen.add(state.done)
            if len(seen) > most_states:
                return None
            for index in self._ready(state, part):
                after = self._after(state, index)
                if after.done not in seen:
                    # of equal needs the one that has come furthest, and then the one that holds least
                    heapq.heappush(waiting, (after.peak, -len(after.order), next(number), after))
        raise AssertionError("a part of a dataflow can be run")

    def beam(self, start: _State, part: Sequence[int]) -> _State:
        """Return a good state in which ``part`` is done: of each number of operators the best few sets are kept."""
        states = [start]
        for _ in part:
            after = {new.done: new for state in states for new in self._steps(state, part)}
            states = sorted(after.values(), key=lambda state: (state.peak, state.alive, state.order))[:_BEAM]
        return states[0]

    def _steps(self, state: _State, part: Sequence[int]) -> list[_State]:
        found = [self._after(state, index) for index in self._ready(state, part)]
        # the worst first, so that of several ways to a set the best stays
        return sorted(found, key=lambda item: (-item.peak, -item.alive))

    def _ready(self, state: _State, part: Sequence[int]) -> list[int]:
        return [
            index
            for index in part
            if not state.done >> index & 1 and self._before[index] & state.done == self._before[index]
        ]

    def _after(self, state: _State, index: int) -> _State:
        done = state.done | 1 << index
        freed = sum(size for readers, size in self._frees[index] if readers & done == readers)
        need = state.alive + self._written[index]
        return _State(max(state.peak, need), done, need - freed - self._unread[index], (*state.order, index))

    def _run_what_is_free(self, state: _State, part: Sequence[int]) -> _State:
        """Run the operators that cost nothing: see this module's description."""
        while True:
            for index in self._ready(state, part):
                after = self._after(state, index)
                if after.peak == state.peak and after.alive <= state.alive:
                    state = after
                    break
            else:
                return state

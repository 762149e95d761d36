"""Successive halving within a round: evaluate candidates cheaply first, then train the best in full.

Successive halving over epochs: K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016. Ranking by an untrained network: M. Abdelfattah et al., "Zero-cost proxies for lightweight
NAS", ICLR 2021; J. Mellor et al., "Neural architecture search without training", ICML 2021 (NASWOT); H. Tanaka et al.,
"Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020 (SynFlow).

Each look is a round of its own, so that the graph of rounds and slots stays static: the memory holds who goes on to the
next look, and only the last one moves the cell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import HalvingStrategy, PrerankStrategy
from autoshrink.records.proposal import Fidelity
from autoshrink.records.record import Many, Record
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.shrink import keep_best, shrink_space
from autoshrink.search.space import Family, threshold
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


class Looks(Record):
    """Between two looks of a step: the origins of the candidates that go on, in order; None before the first."""

    going_on: Many[str] | None = None


@dataclass(frozen=True)
class Staged:
    """One step of shrinking takes ``len(looks) + 1`` rounds; the last of them trains in full and removes the edge."""

    search: TaskSearch
    family: Family
    options: HalvingStrategy | PrerankStrategy

    @property
    def looks(self) -> list[Fidelity]:
        """The fidelities of the cheap looks, in order."""
        if isinstance(self.options, PrerankStrategy):
            return [Fidelity(zero_cost=self.options.zero_cost)]
        return [Fidelity(epochs=epochs) for epochs in self.options.epochs]

    def slots(self) -> list[int]:
        """Return, for each step and each of its looks, how many candidates there are at most."""
        steps = range(self.family.size, threshold(self.search, self.family), -1)
        return [count for left in steps for count in self._counts(left)]

    def start(self, draws: Draws) -> State:
        """Return the complete cell with its operators drawn."""
        return State(self.family.drawn(draws).whole(), memory=Looks().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the step's candidates at its first look, those that went on at the later ones."""
        if state.stopped:
            return []
        look = (round_number - 1) % (len(self.looks) + 1)
        space = shrink_space(self.family.drawn(draws), state.cell)
        if look == 0:
            chosen = draws.sample(f"round-{round_number}/candidates", space, self._counts(len(space))[0])
        else:
            # a removal names its candidate: no two of the space remove the same edge first
            by_origin = {candidate.origin: candidate for candidate in space}
            going_on = Looks.model_validate(state.memory).going_on
            assert going_on is not None, "a look has come before"
            chosen = [by_origin[origin] for origin in going_on]
        fidelity = self.looks[look] if look < len(self.looks) else None
        return [ProposedCell(item.cell, item.origin, item.removed, fidelity) for item in chosen]

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """After a cheap look remember who goes on; after the full training keep the best cell."""
        if state.stopped:
            return Selection(state, None)
        look = (round_number - 1) % (len(self.looks) + 1)
        if look == len(self.looks):
            least, space = threshold(self.search, self.family), self.family.drawn(draws)
            cell, stopped, slot = keep_best(state, scored, least, round_number, space)
            return Selection(State(cell, stopped, Looks().to_json()), slot)
        best_first = sorted(scored, key=self._promise)
        count = self._counts(len(self.family.drawn(draws).chosen(state.cell)))[look + 1]
        looks = Looks(going_on=tuple(item.candidate.origin for item in best_first[:count]))
        return Selection(State(state.cell, memory=looks.to_json()), None)

    def _counts(self, left: int) -> list[int]:
        """Return how many candidates each look of a step has at most, ``left`` edges being left."""
        k = min(self.search.k, left)
        if isinstance(self.options, PrerankStrategy):
            return [left, max(1, math.floor(self.options.keep * k))]
        return [max(1, math.ceil(k * self.options.keep**look)) for look in range(len(self.looks) + 1)]

    def _promise(self, item: Scored) -> tuple[Any, ...]:
        if not isinstance(self.options, PrerankStrategy):
            return rank(item)
        value = item.metrics[self.options.zero_cost]
        # within limits first; a network that has no finite value comes last; the key decides between equals
        return (item.violation > 0, value is None, 0.0 if value is None else -value, item.candidate.cell.key)

"""Random search: distinct random cells, as many as shrinking evaluates.

L. Li and A. Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019: the baseline that
a search result means little without.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import RandomStrategy
from autoshrink.search import archive
from autoshrink.search.archive import Seen
from autoshrink.search.draws import Draws
from autoshrink.search.space import Family, slots
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


@dataclass(frozen=True)
class Random:
    """Every round draws new cells over the search's own operators; the state's cell is the best so far."""

    search: TaskSearch
    family: Family
    options: RandomStrategy

    def slots(self) -> list[int]:
        """Return what shrinking may evaluate, or k for each of the rounds asked for."""
        return slots(self.search, self.family, self.options.rounds)

    def start(self, draws: Draws) -> State:
        """Return the complete cell, which is not evaluated."""
        return State(self.family.drawn(draws).whole(), memory=Seen().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return random cells that were not proposed before."""
        space = self.family.drawn(draws)
        seen, found = list(Seen.model_validate(state.memory).seen), []
        for slot in range(self.slots()[round_number - 1]):
            cell = space.random(draws, f"round-{round_number}/cell-{slot}", seen)
            seen.append(cell.key)
            found.append(ProposedCell(cell, "at random"))
        return found

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best cell so far."""
        memory = Seen.model_validate(state.memory)
        cell, best, slot = archive.improve(state, memory.best, scored)
        memory = Seen(best=best, seen=memory.seen + archive.keys(scored))
        return Selection(State(cell, memory=memory.to_json()), slot)

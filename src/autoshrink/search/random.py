"""Random search: distinct random cells, as many as shrinking evaluates.

L. Li and A. Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019: the baseline that
a search result means little without.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import RandomStrategy
from autoshrink.search import archive
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
        return State(self.family.drawn(draws).whole(), memory={"seen": []})

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return random cells that were not proposed before."""
        space = self.family.drawn(draws)
        seen, found = list(state.memory["seen"]), []
        for slot in range(self.slots()[round_number - 1]):
            cell = space.random(draws, f"round-{round_number}/cell-{slot}", seen)
            seen.append(cell.key)
            found.append(ProposedCell(cell, "at random"))
        return found

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the best cell so far."""
        cell, best, slot = archive.improve(state, scored)
        seen = [*state.memory["seen"], *(item.candidate.cell.key for item in scored)]
        return Selection(State(cell, memory={"best": best, "seen": seen}), slot)

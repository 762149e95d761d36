"""Local search: move to a better cell one edge away; restart at a local optimum.

C. White, S. Nolen and Y. Savani, "Exploring the loss landscape in neural architecture search", UAI 2021. Here a round
evaluates as many unknown neighbours as it has slots and moves to the best of them, if it is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cells.cell import Cell
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import LocalStrategy
from autoshrink.search import archive
from autoshrink.search.archive import Remembered, Seen
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.space import Family, Space, change, neighbours, slots
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


class Standing(Seen):
    """Where local search stands."""

    here: Remembered | None = None


@dataclass(frozen=True)
class Local:
    """Where the search stands is the state's memory; the state's cell is the best so far."""

    search: TaskSearch
    family: Family
    options: LocalStrategy

    def slots(self) -> list[int]:
        """Return what shrinking may evaluate, or k for each of the rounds asked for."""
        return slots(self.search, self.family, self.options.rounds)

    def start(self, draws: Draws) -> State:
        """Return the complete cell, which is not evaluated; the first round draws where to start."""
        return State(self.family.drawn(draws).whole(), memory=Standing().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return neighbours that were not evaluated yet, in random order; where there are none, random cells."""
        space, memory = self.family.drawn(draws), Standing.model_validate(state.memory)
        count, seen = self.slots()[round_number - 1], list(memory.seen)
        around = self._around(memory, space)
        if memory.here is not None and around:
            drawn = draws.sample(f"round-{round_number}/neighbours", around, count)
            return [ProposedCell(cell, f"neighbour: {change(space, memory.here.cell, cell)}") for cell in drawn]
        found = []
        for slot in range(count):
            cell = space.random(draws, f"round-{round_number}/start-{slot}", seen)
            seen.append(cell.key)
            found.append(ProposedCell(cell, "a new start, at random"))
        return found

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Move to the round's best cell if it is better than where the search stands, or if that was a new start."""
        space, memory = self.family.drawn(draws), Standing.model_validate(state.memory)
        cell, best, slot = archive.improve(state, memory.best, scored)
        here = memory.here
        finite = [item for item in scored if item.score is not None]
        if finite:
            better = min(finite, key=rank)
            fresh = not self._around(memory, space)
            if here is None or fresh or rank(better) < rank(here.scored):
                here = Remembered.of(better)
        memory = Standing(best=best, here=here, seen=memory.seen + archive.keys(scored))
        return Selection(State(cell, memory=memory.to_json()), slot)

    def _around(self, memory: Standing, space: Space) -> list[Cell]:
        if memory.here is None:
            return []
        seen = set(memory.seen)
        return [cell for cell in neighbours(space, memory.here.cell) if cell.key not in seen]

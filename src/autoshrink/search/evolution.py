"""Regularised evolution: a tournament's winner is mutated by one edge, and the oldest cell retires.

E. Real, A. Aggarwal, Y. Huang and Q. V. Le, "Regularized evolution for image classifier architecture search", AAAI
2019, algorithm 1. Here operators stay as drawn, so a mutation adds or removes one edge; in a table's own space it
changes one operator. A round breeds its children from the same population, and a child that was evaluated before is
bred again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import EvolutionStrategy
from autoshrink.records.record import Many
from autoshrink.search import archive
from autoshrink.search.archive import Remembered, Seen
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.space import TRIES, Family, Space, change, neighbours, slots
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State


class Population(Seen):
    """The living, oldest first, and how many were born."""

    population: Many[Remembered] = ()
    born: int = 0


@dataclass(frozen=True)
class Evolution:
    """The population, oldest first, is the state's memory; the state's cell is the best so far."""

    search: TaskSearch
    family: Family
    options: EvolutionStrategy

    def slots(self) -> list[int]:
        """Return what shrinking may evaluate, or k for each of the rounds asked for."""
        return slots(self.search, self.family, self.options.rounds)

    def start(self, draws: Draws) -> State:
        """Return the complete cell, which is not evaluated, and an empty population."""
        return State(self.family.drawn(draws).whole(), memory=Population().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return random cells until as many were born as the population holds, then children."""
        space, memory = self.family.drawn(draws), Population.model_validate(state.memory)
        population = [item.scored for item in memory.population]
        seen, found = list(memory.seen), []
        for slot in range(self.slots()[round_number - 1]):
            name = f"round-{round_number}/child-{slot}"
            if memory.born + slot < self.options.population or not population:
                candidate = ProposedCell(space.random(draws, name, seen), "at random")
            else:
                candidate = self._child(population, space, draws, name, seen)
            seen.append(candidate.cell.key)
            found.append(candidate)
        return found

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Return the population with this round's cells born and the oldest dead, and the best cell so far."""
        memory = Population.model_validate(state.memory)
        cell, best, slot = archive.improve(state, memory.best, scored)
        memory = Population(
            best=best,
            seen=memory.seen + archive.keys(scored),
            population=(*memory.population, *map(Remembered.of, scored))[-self.options.population :],
            born=memory.born + len(scored),
        )
        return Selection(State(cell, memory=memory.to_json()), slot)

    def _child(
        self, population: Sequence[Scored], space: Space, draws: Draws, name: str, seen: Sequence[str]
    ) -> ProposedCell:
        for attempt in range(TRIES):
            fighters = draws.sample(f"{name}/try-{attempt}/tournament", population, self.options.tournament)
            parent = min(fighters, key=rank).candidate.cell
            child = draws.choice(f"{name}/try-{attempt}/mutation", neighbours(space, parent))
            if child.key not in seen:
                break
        return ProposedCell(child, f"child of {parent.key}: {change(space, parent, child)}")

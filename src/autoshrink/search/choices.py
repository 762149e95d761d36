"""A table's own space: a network of fixed wiring, each place of which holds one of the table's operators.

NAS-Bench-201 (X. Dong and Y. Yang, ICLR 2020) has six places, the edges of a DAG of four nodes, and five operators;
NAS-Bench-Macro (X. Su et al., CVPR 2021) has eight in a row and three. Here such a network is a cell with one node per
place, wired as the places follow each other, so that strategies, records and drawings take it as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from autoshrink.cells.cell import Cell, Edge
from autoshrink.search.draws import Draws
from autoshrink.search.space import TRIES, single_changes


@dataclass(frozen=True)
class Choices:
    """``places`` are edges of the table's network, ascending by target; ``options`` its operators, nothing first.

    It is a space and its own family: all searches share it, but each draws what its whole network holds.
    """

    places: tuple[Edge, ...]
    options: tuple[str, ...]
    held: tuple[str, ...] = ()
    """What the places of the whole network hold."""

    @property
    def size(self) -> int:
        """How many places there are."""
        return len(self.places)

    def drawn(self, draws: Draws) -> "Choices":
        """Return the space whose whole network holds an operator at each place, drawn alike by all strategies."""
        something = self.options[1:]
        held = tuple(draws.shared.choice(f"operators/place-{place[0]}-{place[1]}", something) for place in self.places)
        return Choices(self.places, self.options, held)

    def whole(self) -> Cell:
        """Return the network with something at every place."""
        return self.cell(dict(zip(self.places, self.held, strict=True)))

    def baseline(self) -> Cell:
        """Return the whole network: without some of its places a table's network may not work at all."""
        return self.whole()

    def cell(self, chosen: Mapping[Edge, str]) -> Cell:
        """Return the network as a cell: node n is the n-th place, fed by the places that end where it begins."""
        edges = [
            (before + 1, number + 1)
            for number, place in enumerate(self.places)
            for before, other in enumerate(self.places)
            if other[1] == place[0]
        ]
        first = [(0, number + 1) for number, place in enumerate(self.places) if place[0] == 0]
        return Cell.of([chosen.get(place, self.options[0]) for place in self.places], [*first, *edges])

    def chosen(self, cell: Cell) -> dict[Edge, str]:
        """Return what the places hold, without those that hold nothing."""
        held = zip(self.places, cell.operators[1:], strict=True)
        return {place: option for place, option in held if option != self.options[0]}

    def random(self, draws: Draws, name: str, seen: Iterable[str]) -> Cell:
        """Return a network whose places hold any option with the same chance."""
        known = set(seen)
        for attempt in range(TRIES):
            cell = self.cell(
                {
                    place: draws.choice(f"{name}/try-{attempt}/place-{place[0]}-{place[1]}", self.options)
                    for place in self.places
                }
            )
            if cell.key not in known:
                break
        return cell

    def is_network(self, cell: Cell) -> bool:
        """Whether the space has this network: it has all."""
        return True

    def removable(self, cell: Cell) -> list[Edge]:
        """Return the places that hold something."""
        return list(self.chosen(cell))

    def moves(self, cell: Cell) -> Iterator[Mapping[Edge, str]]:
        """Yield the network with another option at one place."""
        return single_changes(self, cell)

    def said(self, place: Edge) -> str:
        """Return the place as an edge of the table's network."""
        return f"{place[0]} -> {place[1]}"

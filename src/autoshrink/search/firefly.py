"""Edges as neurons: train one sparse cell per round and add the missing edges that its gradient asks for.

Firefly descent (L. Wu, B. Liu, P. Stone and Q. Liu, "Firefly neural architecture descent: a general approach for
growing neural networks", NeurIPS 2020) on the edges of a cell. An evaluation scores all missing edges at once, so a
round trains one candidate where ``grow`` trains k.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoshrink.cells.cell import Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import FireflyStrategy
from autoshrink.records.proposal import Fidelity
from autoshrink.records.record import EdgeField, Many, Record
from autoshrink.search.draws import Draws
from autoshrink.search.space import Subgraphs, draw_operators, missing_edges
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State

TOO_DEAR = "every edge that is predicted to help exceeds a limit"


class Adding(Record):
    """What the next cell adds to the search's, and what is known of its missing edges."""

    helpful: Many[EdgeField] = ()
    """Those predicted to help and not known to be too dear, best first."""
    too_dear: Many[EdgeField] = ()
    """Those that exceeded a limit when added alone, and so exceed it in every larger cell."""
    at_once: int
    """How many the next cell adds."""


@dataclass(frozen=True)
class Firefly:
    """Round 1 trains the chain; every later round adds ``edges_per_round`` edges, until none is predicted to help.

    Where several edges exceed a limit together, half as many are added at once from then on; an edge that exceeds it
    alone is never tried again.
    """

    search: TaskSearch
    operators: Sequence[str]
    options: FireflyStrategy

    def slots(self) -> list[int]:
        """Return 1 per round: the chain's, and one for each addition; given ``rounds``, also for those that fail."""
        missing, at_once = self.search.edges - (self.search.nodes - 1), self.options.edges_per_round
        if self.options.rounds is None:
            return [1] * (1 + math.ceil(missing / at_once))
        halvings = at_once.bit_length() - 1
        return [1] * min(1 + missing + halvings, self.options.rounds)

    def start(self, draws: Draws) -> State:
        """Return the chain 0 -> 1 -> ... with its operators drawn."""
        chain = Subgraphs(tuple(draw_operators(self.search, self.operators, draws))).baseline()
        return State(chain, memory=Adding(at_once=self.options.edges_per_round).to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the chain, later the cell with the next edges."""
        if state.stopped:
            return []
        adding = Adding.model_validate(state.memory)
        edges = () if round_number == 1 else self._next(adding)
        cell = Cell.of(state.cell.operators[1:], [*state.cell.edges, *edges])
        origin = ", ".join(f"with {source} -> {target}" for source, target in edges) or "the chain"
        goes_on = bool(set(missing_edges(cell)) - set(adding.too_dear)) and round_number < len(self.slots())
        fidelity = Fidelity(edge_tuning=self.options.tuning_epochs) if goes_on else None
        return [ProposedCell(cell, origin, fidelity=fidelity)]

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Go on from the candidate's cell with its helpful edges; where it broke a limit, with the next best ones."""
        if state.stopped or not scored:
            return Selection(state, None)
        item = scored[0]
        if item.score is None:
            return Selection(State(state.cell, f"the candidate of round {round_number} has no finite score"), None)
        before = Adding.model_validate(state.memory)
        if item.violation > 0:
            return Selection(self._over(state, before, round_number), None)
        cell = item.candidate.cell
        missing = missing_edges(cell)
        if set(missing) <= set(before.too_dear):
            ended = "every missing edge exceeds a limit" if missing else "the cell is complete"
            return Selection(State(cell, ended, state.memory), 0)
        gains = {edge: gain for edge, gain in item.edge_gains.items() if gain is not None and gain > 0}
        helpful = tuple(sorted(gains.keys() - set(before.too_dear), key=lambda edge: (-gains[edge], edge)))
        stopped = self._rounds_over(round_number)
        if stopped is None and not helpful:
            stopped = TOO_DEAR if gains else "no missing edge is predicted to help"
        return Selection(State(cell, stopped, before.model_copy(update={"helpful": helpful}).to_json()), 0)

    def _over(self, state: State, before: Adding, round_number: int) -> State:
        """Return the state in which fewer or other edges are tried: those just tried exceeded a limit."""
        if round_number == 1:
            return State(state.cell, "the chain exceeds a limit", state.memory)
        tried = self._next(before)
        if len(tried) > 1:
            adding = before.model_copy(update={"at_once": len(tried) // 2})
        else:
            adding = before.model_copy(
                update={"helpful": before.helpful[1:], "too_dear": tuple(sorted({*before.too_dear, *tried}))}
            )
        stopped = self._rounds_over(round_number) if adding.helpful else TOO_DEAR
        return State(state.cell, stopped, adding.to_json())

    def _rounds_over(self, round_number: int) -> str | None:
        rounds = len(self.slots())
        return None if round_number < rounds else f"all {rounds} rounds are used"

    def _next(self, adding: Adding) -> tuple[Edge, ...]:
        return adding.helpful[: adding.at_once]

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


class Adding(Record):
    """The helpful edges that the search's cell lacks, best first, and how many of them the next cell leaves out."""

    helpful: Many[EdgeField] = ()
    passed_over: int = 0


@dataclass(frozen=True)
class Firefly:
    """Round 1 trains the chain; every later round adds ``edges_per_round`` edges, until none is predicted to help."""

    search: TaskSearch
    operators: Sequence[str]
    options: FireflyStrategy

    def slots(self) -> list[int]:
        """Return 1 per round: the chain's, and one for each addition."""
        missing = self.search.edges - (self.search.nodes - 1)
        most = 1 + math.ceil(missing / self.options.edges_per_round)
        return [1] * (most if self.options.rounds is None else min(most, self.options.rounds))

    def start(self, draws: Draws) -> State:
        """Return the chain 0 -> 1 -> ... with its operators drawn."""
        chain = Subgraphs(tuple(draw_operators(self.search, self.operators, draws))).baseline()
        return State(chain, memory=Adding().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the chain, later the cell with the next edges."""
        if state.stopped:
            return []
        edges = () if round_number == 1 else self._next(Adding.model_validate(state.memory))
        cell = Cell.of(state.cell.operators[1:], [*state.cell.edges, *edges])
        origin = ", ".join(f"with {source} -> {target}" for source, target in edges) or "the chain"
        goes_on = bool(missing_edges(cell)) and round_number < len(self.slots())
        fidelity = Fidelity(edge_tuning=self.options.tuning_epochs) if goes_on else None
        return [ProposedCell(cell, origin, fidelity=fidelity)]

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Go on from the candidate's cell with its helpful edges; where it broke a limit, with the next best ones."""
        if state.stopped or not scored:
            return Selection(state, None)
        item = scored[0]
        if item.score is None:
            return Selection(State(state.cell, f"the candidate of round {round_number} has no finite score"), None)
        if item.violation > 0:
            return Selection(self._passed_over(state, round_number), None)
        cell = item.candidate.cell
        gains = {edge: gain for edge, gain in item.edge_gains.items() if gain is not None and gain > 0}
        helpful = tuple(sorted(gains, key=lambda edge: (-gains[edge], edge)))
        stopped = None
        if not missing_edges(cell):
            stopped = "the cell is complete"
        elif not helpful:
            stopped = "no missing edge is predicted to help"
        return Selection(State(cell, stopped, Adding(helpful=helpful).to_json()), 0)

    def _passed_over(self, state: State, round_number: int) -> State:
        """Return the state in which other edges are tried: those just tried cost too much."""
        before = Adding.model_validate(state.memory)
        tried = self.options.edges_per_round + before.passed_over
        if round_number == 1 or tried >= len(before.helpful):
            return State(state.cell, "every edge that is predicted to help exceeds a limit", state.memory)
        return State(state.cell, memory=Adding(helpful=before.helpful, passed_over=tried).to_json())

    def _next(self, adding: Adding) -> tuple[Edge, ...]:
        return adding.helpful[adding.passed_over :][: self.options.edges_per_round]

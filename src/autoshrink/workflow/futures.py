"""How a search that is under way may go on: its own strategy, rolled out to the end with made scores.

Nothing is trained. A candidate's score is drawn around a line in the number of its edges, fitted to the finished
rounds, so a search that has preferred small cells so far goes on to do so. The static plan counts what a search
evaluates at most; one that removes several edges at once never comes to most of that.
"""

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from autoshrink.params import Parameters
from autoshrink.records.proposal import in_full
from autoshrink.records.round import Round
from autoshrink.runtime import seeds
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.search.space import missing_edges
from autoshrink.search.strategy import ProposedCell, Scored, State
from autoshrink.tasks.spec import spec_of

log = logging.getLogger(__name__)

COUNT = 24
# keys, which tell isomorphic cells, are made of cells up to this size: larger ones are hardly ever met twice
_KEYED_EDGES = 8


@dataclass(frozen=True)
class Coming:
    """A candidate that may come: edges of its cell, and the share of a whole training that it takes, 0 for what was
    trained before."""

    edges: int
    share: float = 1.0


Future = tuple[tuple[Coming, ...], ...]
"""The candidates of each round that is still to come, slot by slot; the first is the round under way."""


def draw(parameters: Parameters, name: SearchName, finished: Sequence[Round], count: int = COUNT) -> list[Future]:
    """Return ``count`` ways in which the search may go on after its ``finished`` rounds, the start left out."""
    try:
        return [_future(parameters, name, finished, number) for number in range(count)]
    except Exception:
        # a strategy of another package may read what made scores do not have; its plan says what it evaluates at most
        log.debug("%s %s: made scores do not do for its strategy", name.task, name, exc_info=True)
        strategy = rounds.strategy_of(parameters, name.task, name.strategy)
        state = finished[-1].state if finished else strategy.start(name.draws(parameters.seed))
        one = Coming(len(state.cell.edges))
        return [tuple((one,) * size for size in strategy.slots()[len(finished) :])]


def _future(parameters: Parameters, name: SearchName, finished: Sequence[Round], number: int) -> Future:
    strategy = rounds.strategy_of(parameters, name.task, name.strategy)
    draws = name.draws(parameters.seed)
    state = State.of(finished[-1].state) if finished else strategy.start(draws)
    random = Random(seeds.derive(parameters.seed, f"estimate/{name.task}/{name}/{len(finished)}/{number}"))
    trend = _Trend.of(finished)
    known = {(item.key, str(item.fidelity)) for content in finished for item in content.candidates}
    recipe = spec_of(name.task).proxy(parameters).training
    rolled: list[tuple[Coming, ...]] = []
    for round_number in range(len(finished) + 1, len(strategy.slots()) + 1):
        if state.stopped:
            break
        proposed = strategy.propose(state, round_number, draws)
        coming = []
        for item in proposed:
            share = _share(item, recipe.epochs)
            if len(item.cell.edges) <= _KEYED_EDGES:
                identity = item.cell.key, str(item.fidelity)
                share = 0.0 if identity in known else share
                known.add(identity)
            coming.append(Coming(len(item.cell.edges), share))
        rolled.append(tuple(coming))
        scored = [_scored(item, trend, random) for item in proposed]
        state = strategy.select(state, round_number, scored, draws).state
    return tuple(rolled)


def _share(item: ProposedCell, epochs: int) -> float:
    if in_full(item.fidelity):
        return 1.0 + (item.fidelity.further_epochs / epochs if item.fidelity else 0.0)
    assert item.fidelity is not None
    return 0.0 if item.fidelity.epochs is None else min(1.0, item.fidelity.epochs / epochs)


def _scored(item: ProposedCell, trend: "_Trend", random: Random) -> Scored:
    score = trend.slope * len(item.cell.edges) + random.gauss(0.0, trend.deviation)
    measure = item.fidelity.zero_cost if item.fidelity else None
    gains = {edge: random.random() for edge in missing_edges(item.cell)} if item.fidelity else {}
    return Scored(item, trend.level + score, metrics={} if measure is None else {measure: score}, edge_gains=gains)


@dataclass(frozen=True)
class _Trend:
    """What an edge more does to a score, and how much scores scatter around that."""

    slope: float = 0.0
    deviation: float = 1.0
    level: float = 0.0

    @classmethod
    def of(cls, finished: Sequence[Round]) -> "_Trend":
        """Return the trend within rounds, drawn towards none by one edge's worth of doubt."""
        points: list[tuple[float, float]] = []
        scores: list[float] = []
        for content in finished:
            known = [(len(item.cell.edges), item.score) for item in content.candidates if item.score is not None]
            if len(known) < 2:
                continue
            edges, found = statistics.mean(each[0] for each in known), statistics.mean(each[1] for each in known)
            points += [(count - edges, score - found) for count, score in known]
            scores += [score for _, score in known]
        if not points:
            return cls()
        slope = sum(x * y for x, y in points) / (sum(x * x for x, _ in points) + 1.0)
        scatter = statistics.fmean((y - slope * x) ** 2 for x, y in points) ** 0.5
        return cls(slope, scatter or 1.0, statistics.mean(scores))

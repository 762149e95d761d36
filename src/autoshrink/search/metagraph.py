"""A guide graph whose edges carry weights, from which cells are sampled: a reconstruction after GRAM and MSNAS.

H.-P. Cheng et al., "SwiftNet: Using graph propagation as meta-knowledge to search highly representative neural
architectures", arXiv 1906.08305, and "MSNet: Structural wired neural architecture search for internet of things",
ICCV 2019 workshops. The rule is known at second hand only: sample, evaluate, multiply the weight of every sampled edge
by exp(rate * (quality - baseline)), the baseline being the mean of the five best so far. Not known, and chosen here:
the rate (relative to the spread of the scores so far, so that one suits accuracy and perplexity), the first weights,
what a sample over a hard limit counts (as the worst so far), and the pruning's cut-offs. The original has a guide graph
per stage, as here under ``cells: per_stage``; otherwise one graph's cell serves all stages, and this is GRAM in style
only.

Weights accumulate over rounds. The last round prunes the graph instead of sampling it: nested cells of its heaviest
edges, at several cut-offs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoshrink.cells.cell import Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import MetaGraphStrategy
from autoshrink.records.record import Many, Number
from autoshrink.search import archive
from autoshrink.search.archive import Seen
from autoshrink.search.draws import Draws
from autoshrink.search.space import TRIES, Family, Space, slots
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State

_BEST = 5
_LEAST, _MOST = math.log(0.02), math.log(0.98)

Weights = Mapping[str, Mapping[str, float]]
"""Logarithms of weights, by place and option; in the DAG an absent edge has none."""


class Weighted(Seen):
    """The graph's weights, and all finite scores so far."""

    scores: Many[Number] = ()
    weights: Weights


@dataclass(frozen=True)
class MetaGraph:
    """The weights, and the best scores so far, are the state's memory; the state's cell is the best so far."""

    search: TaskSearch
    family: Family
    options: MetaGraphStrategy

    def slots(self) -> list[int]:
        """Return what shrinking may evaluate, or k for each of the rounds asked for, the pruned cells among them."""
        counts = slots(self.search, self.family, self.options.rounds)
        pruned = min(len(self.options.cutoffs), sum(counts) - 1)
        left = sum(counts) - pruned
        sampled = []
        for count in counts:
            if left > 0:
                sampled.append(min(count, left))
                left -= count
        return [*sampled, pruned] if pruned > 0 else sampled

    def start(self, draws: Draws) -> State:
        """Return the whole graph, which is not evaluated, all of whose weights are alike."""
        space = self.family.drawn(draws)
        first = math.log(self.options.initial)
        held = space.options[1:] if _is_graph(space) else space.options
        weights = {_name(place): dict.fromkeys(held, first) for place in space.places}
        return State(space.whole(), memory=Weighted(weights=weights).to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return cells sampled by the weights, new ones where they can be had; in the last round, the pruned graph."""
        space, memory = self.family.drawn(draws), Weighted.model_validate(state.memory)
        weights = memory.weights
        count = self.slots()[round_number - 1]
        if round_number == len(self.slots()) and self._prunes:
            return [
                ProposedCell(_pruned(space, weights, share), f"the heaviest {share:.0%} of the graph")
                for share in self.options.cutoffs[:count]
            ]
        seen, found = set(memory.seen), []
        for slot in range(count):
            cell = self._sample(space, weights, draws, f"round-{round_number}/sample-{slot}", seen)
            seen.add(cell.key)
            found.append(ProposedCell(cell, "sampled by the graph's weights"))
        return found

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Raise the weights of good samples' edges and lower those of bad ones'. All of a round are held against the
        same baseline."""
        space, memory = self.family.drawn(draws), Weighted.model_validate(state.memory)
        cell, best, slot = archive.improve(state, memory.best, scored)
        finite = [item.score for item in scored if item.score is not None]
        known = (*memory.scores, *finite)
        weights = {place: dict(values) for place, values in memory.weights.items()}
        if known and max(known) > min(known):
            leading = sorted(memory.scores or finite, reverse=True)[:_BEST]
            baseline = sum(leading) / len(leading)
            for item in scored:
                good = item.score if item.score is not None and item.violation == 0 else min(known)
                step = self.options.rate * (good - baseline) / (max(known) - min(known))
                held = space.chosen(item.candidate.cell)
                for place in space.places:
                    option = held.get(place, space.options[0])
                    values = weights[_name(place)]
                    if option in values:
                        values[option] = min(_MOST, max(_LEAST, values[option] + step))
        memory = Weighted(best=best, seen=memory.seen + archive.keys(scored), scores=known, weights=weights)
        return Selection(State(cell, memory=memory.to_json()), slot)

    @property
    def _prunes(self) -> bool:
        return bool(self.options.cutoffs) and len(self.slots()) > 1

    def _sample(self, space: Space, weights: Weights, draws: Draws, name: str, seen: set[str]) -> Cell:
        for attempt in range(TRIES):
            chosen: dict[Edge, str] = {}
            for place, chances in self._chances(space, weights).items():
                fall = draws.fraction(f"{name}/try-{attempt}/place-{place[0]}-{place[1]}")
                for option, chance in chances.items():
                    fall -= chance
                    if fall < 0:
                        chosen[place] = option
                        break
            cell = space.cell(chosen)
            if space.is_network(cell) and cell.key not in seen:
                return cell
        # samples without an edge, or known ones, all of them
        return space.random(draws, f"{name}/otherwise", seen)

    def _chances(self, space: Space, weights: Weights) -> dict[Edge, dict[str, float]]:
        """Return, for each place, the probability of each option; in the DAG, what is left is an absent edge's."""
        linear = {
            place: {option: math.exp(value) for option, value in weights[_name(place)].items()}
            for place in space.places
        }
        softmax = self.options.edge_probability == "softmax"
        if softmax:
            linear = {p: {o: math.exp(value) for o, value in values.items()} for p, values in linear.items()}
        elif _is_graph(space):
            return linear  # the weight is the probability
        totals: dict[Any, float] = {}
        for place, values in linear.items():
            totals[_rival(space, place)] = totals.get(_rival(space, place), 0.0) + sum(values.values())
        return {
            place: {option: value / totals[_rival(space, place)] for option, value in values.items()}
            for place, values in linear.items()
        }


def _rival(space: Space, place: Edge) -> Any:
    """Return what the options of a softmax share: in the DAG edges compete with those of the same source."""
    return place[0] if _is_graph(space) else place


def _is_graph(space: Space) -> bool:
    """Whether places are edges that are there or not."""
    return len(space.options) == 2


def _name(place: Edge) -> str:
    return f"{place[0]}-{place[1]}"


def _pruned(space: Space, weights: Weights, share: float) -> Cell:
    """Return the graph less all but the heaviest ``share`` of its places, but with as many more as make a network."""
    heaviest: list[tuple[float, Edge, str]] = []
    for place in space.places:
        values = weights[_name(place)]
        option = max(space.options[1:], key=lambda name, values=values: values[name])  # type: ignore[misc]
        heaviest.append((values[option] - values.get(space.options[0], 0.0), place, option))
    ordered = sorted(heaviest, key=lambda item: (-item[0], item[1]))
    for count in range(max(1, round(share * len(ordered))), len(ordered) + 1):
        cell = space.cell({place: option for _, place, option in ordered[:count]})
        if space.is_network(cell):
            return cell
    return space.whole()

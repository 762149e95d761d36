"""A policy that changes the best networks step by step and learns from the rewards: a reconstruction after EPNAS and
RENA.

Y. Zhou, P. Wang, S. Arik, H. Yu, S. Zawad, F. Yan and G. Diamos, "EPNAS: Efficient progressive neural architecture
search", BMVC 2019; Y. Zhou, S. Ebrahimi, S. Arik, H. Yu, H. Liu and G. Diamos, "Resource-efficient neural architect",
arXiv 1806.07912. Neither policy nor its settings are published. Here the policy is a softmax over changes of one place,
linear in features of the place and its ends, instead of a recurrent one over embeddings; REINFORCE: R. Williams,
"Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning 1992.

Progressive: in the first third of the rounds networks only grow; then places may also be emptied. Cells keep the
operators that were drawn, so only a table's own space has operators to change. Where the objective has hard limits,
every step of the search is two rounds: children are counted, and those within the limits trained.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, Strict

from autoshrink.cells.cell import Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import ProgressiveStrategy
from autoshrink.records.proposal import COUNTED, Fidelity
from autoshrink.records.record import CellField, EdgeField, Many, Number, Record
from autoshrink.search import archive
from autoshrink.search.archive import Remembered, Seen
from autoshrink.search.draws import Draws
from autoshrink.search.objective import rank
from autoshrink.search.space import Family, Space, change, slots
from autoshrink.search.strategy import ProposedCell, Scored, Selection, State

Features = dict[str, float]
# share of a new reward in the moving mean that is the baseline
_MEMORY = 0.1
# changes drawn for a child before it is given up: near a good parent most cells are known at last
_TRIES = 4


Change = Annotated[tuple[CellField, EdgeField, str], Strict(False)]
"""The cell that was changed, the place, and what it holds now."""


class _Child(Record):
    """A network that the policy drew, and how: from which cell each change was made."""

    cell: CellField
    origin: str
    steps: Many[Change] = ()
    growing: bool = False
    log_probability: Annotated[float, Field(exclude=True)] = 0.0
    """Of the changes; only ranks children, before they are remembered."""


class _Memory(Seen):
    """What the policy has learnt and whom it may train next."""

    parents: Many[Remembered] = ()
    known: Many[Remembered] = ()
    """What the predictor learns from."""
    scores: Many[Number] = ()
    weights: Mapping[str, float] = {}
    level: Number = 0.5
    """The moving mean of the rewards."""
    pending: Many[_Child] = ()
    """Children that were counted and are trained next."""


@dataclass(frozen=True)
class Progressive:
    """The policy's weights, the parents and all scores are the state's memory; the state's cell is the best so far."""

    search: TaskSearch
    family: Family
    options: ProgressiveStrategy

    def slots(self) -> list[int]:
        """Return what shrinking may train, or k for each of the rounds asked for; where there are hard limits, before
        each as many children as are counted."""
        counts = slots(self.search, self.family, self.options.rounds)
        if not self._counts_first:
            return counts
        return [count for trained in counts for count in (self._children(trained), trained)]

    def start(self, draws: Draws) -> State:
        """Return the baseline, a chain or the table's whole network; it is the first parent."""
        return State(self.family.drawn(draws).baseline(), memory=_Memory().to_json())

    def propose(self, state: State, round_number: int, draws: Draws) -> list[ProposedCell]:
        """Return the children to count, or those to train: the ones that the policy, or the predictor, ranks first."""
        memory = _Memory.model_validate(state.memory)
        if self._counts_first and round_number % 2 == 0:
            return [ProposedCell(child.cell, child.origin) for child in memory.pending]
        step = (round_number + 1) // 2 if self._counts_first else round_number
        children = self._drawn(memory, step, draws)
        if self._counts_first:
            counted = children[: self.slots()[round_number - 1]]
            return [ProposedCell(child.cell, child.origin, (), Fidelity(zero_cost=COUNTED)) for child in counted]
        ranked = self._ranked(memory, children, draws)
        return [ProposedCell(child.cell, child.origin) for child in ranked[: self.slots()[round_number - 1]]]

    def select(self, state: State, round_number: int, scored: Sequence[Scored], draws: Draws) -> Selection:
        """Learn from the round: the policy's weights move towards the changes that were rewarded."""
        memory, space = _Memory.model_validate(state.memory), self.family.drawn(draws)
        if self._counts_first and round_number % 2 == 1:
            children = {child.cell.key: child for child in self._drawn(memory, (round_number + 1) // 2, draws)}
            within = [children[item.candidate.cell.key] for item in scored if item.violation == 0]
            over = [(children[item.candidate.cell.key], item) for item in scored if item.violation > 0]
            # counting alone teaches what keeps to the limits: each child is taken to be as good as the average, pays
            # for its excess, and is held against the round's mean
            paid = [
                (children[item.candidate.cell.key], self._paid(float(memory.level), item.violation)) for item in scored
            ]
            mean = sum(reward for _, reward in paid) / max(1, len(paid))
            # as long as nothing is within the limits, the nearest to them have children
            near = [replace(item, score=0.0) for _, item in over]
            memory = memory.model_copy(
                update={
                    "parents": self._best(memory, near),
                    "pending": tuple(self._ranked(memory, within, draws)[: self.slots()[round_number]]),
                    "seen": memory.seen + tuple(child.cell.key for child, _ in over),
                    "weights": self._learned(space, memory, paid, mean),
                }
            )
            return Selection(State(state.cell, memory=memory.to_json()), None)
        found = memory.pending if self._counts_first else self._drawn(memory, round_number, draws)
        children = {child.cell.key: child for child in found}
        cell, best, slot = archive.improve(state, memory.best, scored)
        scores = memory.scores + tuple(item.score for item in scored if item.score is not None)
        rewards = [(children[item.candidate.cell.key], self._reward(item, scores)) for item in scored]
        level = float(memory.level)
        for _, reward in rewards:
            level += _MEMORY * (reward - level)
        new = tuple(map(Remembered.of, scored)) if self.options.predictor == "ridge" else ()
        memory = _Memory(
            best=best,
            seen=memory.seen + archive.keys(scored),
            parents=self._best(memory, scored),
            known=memory.known + new,
            scores=scores,
            weights=self._learned(space, memory, rewards, float(memory.level)),
            level=level,
        )
        return Selection(State(cell, memory=memory.to_json()), slot)

    @property
    def _counts_first(self) -> bool:
        return self.search.objective.is_limited

    def _best(self, memory: _Memory, more: Sequence[Scored]) -> tuple[Remembered, ...]:
        """Return the parents of the next round, those within the limits first."""
        alive = sorted([*(item.scored for item in memory.parents), *more], key=rank)[: self.options.parents]
        return tuple(map(Remembered.of, alive))

    def _children(self, trained: int) -> int:
        return max(trained, self.options.parents * self.options.children)

    def _reward(self, item: Scored, scores: Sequence[float]) -> float:
        """Return a reward in [0, 1] before penalties: where the score lies between the worst and the best so far."""
        if item.score is None:
            return 0.0
        spread = max(scores) - min(scores)
        return self._paid((item.score - min(scores)) / spread if spread > 0 else 0.5, item.violation)

    def _paid(self, reward: float, violation: float) -> float:
        """Return the reward less the penalty for excesses over several resources, ``violation`` being their sum.

        A product over resources of penalty ** excess is the penalty to the power of the sum.
        """
        if self.options.penalty == "product":
            return reward * float(self.options.product_base**violation)
        return reward - self.options.hinge_weight * violation

    def _learned(
        self, space: Space, memory: _Memory, rewards: Sequence[tuple[_Child, float]], baseline: float
    ) -> dict[str, float]:
        """Return the policy's weights after REINFORCE with this baseline."""
        before, weights = memory.weights, dict(memory.weights)
        for child, reward in rewards:
            for cell, place, option in child.steps:
                actions = _actions(space, cell, child.growing)
                features = _features(space, cell, actions)
                gradient = dict(features[actions.index((place, option))])
                for chance, item in zip(_softmax([_value(before, item) for item in features]), features, strict=True):
                    for name, value in item.items():
                        gradient[name] = gradient.get(name, 0.0) - chance * value
                step = self.options.learning_rate * (reward - baseline)
                for name in sorted(gradient):
                    weights[name] = weights.get(name, 0.0) + step * gradient[name]
        return weights

    def _drawn(self, memory: _Memory, step: int, draws: Draws) -> list[_Child]:
        """Return new children of the parents, and first of all the baseline itself; a function of the memory alone."""
        space = self.family.drawn(draws)
        seen = set(memory.seen)
        found: list[_Child] = []
        alive = memory.parents
        parents = [item.cell for item in alive] or [space.baseline()]
        if not memory.seen:
            found.append(_Child(cell=space.baseline(), origin="the baseline"))
            seen.add(space.baseline().key)
        counts = slots(self.search, self.family, self.options.rounds)
        # from a network over a limit there is only one way to go
        growing = step <= len(counts) // 3 and not any(item.violation > 0 for item in alive)
        wanted, policy = self._children(counts[step - 1]), _Policy(space, memory.weights)
        for number in range(wanted - len(found)):
            parent = parents[number % len(parents)]
            for attempt in range(_TRIES):
                name = f"step-{step}/child-{number}/try-{attempt}"
                # a parent that can only shrink, or all of whose larger children are known, may shrink
                child = self._child(policy, parent, growing and attempt < _TRIES // 2, draws, name)
                if child is not None and child.cell.key not in seen:
                    seen.add(child.cell.key)
                    origin = f"child of {parent.key}: {change(space, parent, child.cell)}"
                    found.append(child.model_copy(update={"origin": origin}))
                    break
        return found

    def _child(self, policy: "_Policy", parent: Cell, growing: bool, draws: Draws, name: str) -> _Child | None:
        space = policy.space
        cell, steps, logarithm = parent, [], 0.0
        for number in range(1 + (draws.fraction(f"{name}/length") < self.options.second_change)):
            actions, chances = policy.of(cell, growing)
            if not actions:
                return None
            index = _fallen(chances, draws.fraction(f"{name}/change-{number}"))
            steps.append((cell, *actions[index]))
            logarithm += math.log(max(chances[index], 1e-300))
            cell = space.cell({**space.chosen(cell), actions[index][0]: actions[index][1]})
        if not space.is_network(cell):
            return None
        return _Child(cell=cell, origin="", steps=tuple(steps), growing=growing, log_probability=logarithm)

    def _ranked(self, memory: _Memory, children: Sequence[_Child], draws: Draws) -> list[_Child]:
        """Return the children, the most promising first."""
        if self.options.predictor == "policy":
            return sorted(children, key=lambda child: (-child.log_probability, child.cell.key))
        space = self.family.drawn(draws)
        known = [item for item in memory.known if item.score is not None]
        predicted = _ridge(
            [_held(space, item.cell) for item in known],
            [float(item.score or 0.0) for item in known],
            [_held(space, child.cell) for child in children],
        )
        order = sorted(range(len(children)), key=lambda index: (-predicted[index], children[index].cell.key))
        return [children[index] for index in order]


class _Policy:
    """The chances of each change of a network; those of a parent are computed once for all its children."""

    def __init__(self, space: Space, weights: Mapping[str, float]) -> None:
        self.space, self._weights = space, weights
        self._known: dict[tuple[Cell, bool], tuple[list[tuple[Edge, str]], list[float]]] = {}

    def of(self, cell: Cell, growing: bool) -> tuple[list[tuple[Edge, str]], list[float]]:
        """Return the changes, and the probability of each."""
        found = self._known.get((cell, growing))
        if found is None:
            actions = _actions(self.space, cell, growing)
            values = [_value(self._weights, item) for item in _features(self.space, cell, actions)]
            found = self._known[cell, growing] = actions, _softmax(values) if values else []
        return found


def _actions(space: Space, cell: Cell, growing: bool) -> list[tuple[Edge, str]]:
    """Return the changes of one place; while ``growing``, those that leave no place empty that was not."""
    held, nothing = space.chosen(cell), space.options[0]
    return [
        (place, option)
        for place in space.places
        for option in space.options
        if option != held.get(place, nothing) and not (growing and option == nothing)
    ]


def _features(space: Space, cell: Cell, actions: Sequence[tuple[Edge, str]]) -> list[Features]:
    """Return what the policy knows of each change: which it is, and how the place's ends are connected."""
    size = max(target for _, target in space.places)
    into, out = dict.fromkeys(range(size + 1), 0.0), dict.fromkeys(range(size + 1), 0.0)
    for source, target in space.chosen(cell):
        out[source] += 1.0 / size
        into[target] += 1.0 / size
    found = []
    for (source, target), option in actions:
        kind = "empty" if option == space.options[0] else "fill"
        found.append(
            {
                kind: 1.0,
                f"{kind}/length": (target - source) / size,
                f"{kind}/depth": source / size,
                f"{kind}/into": into[target],
                f"{kind}/out": out[source],
                f"option/{option}": 1.0,
                f"place/{source}-{target}/{option}": 1.0,
            }
        )
    return found


def _held(space: Space, cell: Cell) -> Features:
    """Return a network as features for the predictor: what each place holds."""
    held = space.chosen(cell)
    found = {f"{place[0]}-{place[1]}/{option}": 1.0 for place, option in held.items()}
    for option in held.values():
        found[option] = found.get(option, 0.0) + 1.0 / math.sqrt(len(space.places))
    return found


def _ridge(known: Sequence[Features], scores: Sequence[float], unseen: Sequence[Features]) -> list[float]:
    """Return the scores that ridge regression on ``known`` predicts for ``unseen``, in its dual form.

    Plain numbers in a fixed order, so that every machine predicts alike.
    """
    if len(known) < 2:
        return [0.0] * len(unseen)
    mean = sum(scores) / len(scores)
    size = len(known)
    rows = [
        [_dot(one, other) + (1.0 if i == j else 0.0) for j, other in enumerate(known)] + [scores[i] - mean]
        for i, one in enumerate(known)
    ]
    for pivot in range(size):  # symmetric and positive definite: no exchange of rows is needed
        for row in range(pivot + 1, size):
            factor = rows[row][pivot] / rows[pivot][pivot]
            if factor:
                rows[row] = [value - factor * other for value, other in zip(rows[row], rows[pivot], strict=True)]
    dual = [0.0] * size
    for row in reversed(range(size)):
        left = sum(rows[row][column] * dual[column] for column in range(row + 1, size))
        dual[row] = (rows[row][size] - left) / rows[row][row]
    return [mean + sum(dual[row] * _dot(known[row], item) for row in range(size)) for item in unseen]


def _dot(one: Features, other: Features) -> float:
    return sum(value * other[name] for name, value in one.items() if name in other)


def _value(weights: Mapping[str, float], features: Features) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def _softmax(values: Sequence[float]) -> list[float]:
    most = max(values)
    powers = [math.exp(value - most) for value in values]
    total = sum(powers)
    return [power / total for power in powers]


def _fallen(chances: Sequence[float], fall: float) -> int:
    for index, chance in enumerate(chances):
        fall -= chance
        if fall < 0:
            return index
    return len(chances) - 1

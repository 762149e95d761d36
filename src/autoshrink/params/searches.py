"""The searches of all tasks, the strategies they may name, and how a round is spread over jobs."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from autoshrink.params.base import Task
from autoshrink.params.search import MOST_NODES
from autoshrink.params.sections import PerTask, per_task, sections_of
from autoshrink.params.strategies import BUILT_IN, AnyStrategy, FireflyStrategy, PrerankStrategy


@per_task("search", lambda sections: f"The search for {sections.in_words}.")
class Search(PerTask):
    """The searches, and how a round is spread over jobs."""

    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=200)] = [0]
    """Replicate labels, not RNG seeds: one search per label, each with draws of its own under the root seed. All share
    the store."""
    job: Literal["slots", "round", "whole"] = "slots"
    """What one job does: slots, so many candidates of a round as ``slots_per_job`` says; round, all candidates of a
    round; whole, all rounds of a search, one after another. On one machine whole is the same as round."""
    slots_per_job: Annotated[int, Field(ge=1)] = 2
    """Candidates that one job trains, under job: slots. 1 spreads a round over a cluster."""
    strategies: dict[str, AnyStrategy] = dict(BUILT_IN)
    """Strategies by name, for ``cnn.strategy``, ``rnn.strategy`` and ``study.strategies``. Built-in ones need no entry;
    names consist of lower-case letters, ``-`` and ``_``."""

    def candidates_per_job(self, slots: int) -> int:
        """Return how many candidates of a round of so many ``slots`` one job trains."""
        return self.slots_per_job if self.job == "slots" else max(slots, 1)

    @model_validator(mode="after")
    def _distinct_seeds(self) -> "Search":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ from each other, found {self.seeds}")
        return self

    @field_validator("strategies", mode="before")
    @classmethod
    def _with_the_built_in(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # an entry that names no kind changes some keys of the built-in strategy of its name
        changed = {
            name: {**BUILT_IN[name].model_dump(), **entry}
            if name in BUILT_IN and isinstance(entry, dict) and "kind" not in entry
            else entry
            for name, entry in value.items()
        }
        return {**BUILT_IN, **changed}

    def _require_edges(self, task: Task, name: str, key: str) -> None:
        """Raise ValueError unless the missing edges of this task's cells can be scored."""
        accepted = sections_of(task).edge_operators
        if not accepted:
            raise ValueError(
                f"{key}: {name!r} adds edges as slices of weights, and nodes of {task} average their inputs; "
                f"accepted for {task}: any other strategy{_leaving_out(task, key)}"
            )
        odd = [each for each in getattr(self, task).operators if each not in accepted]
        if odd:
            raise ValueError(
                f"{key}: {name!r} adds edges to {', '.join(accepted)} alone, and {task}.operators has {odd[0]}; "
                "accepted: those operators, or another strategy"
            )

    @model_validator(mode="after")
    def _known_strategies(self) -> "Search":
        for name in self.strategies:
            if not re.fullmatch("[a-z][a-z_-]*", name):  # the name of a search's folder, and a wildcard of the workflow
                raise ValueError(f"strategies: the name {name!r} is not of lower-case letters, - and _")
        for task in Task:
            self.require(task, getattr(self, task).strategy, f"{task}.strategy")
        return self

    def require(self, task: Task, name: str, key: str) -> None:
        """Raise ValueError, naming ``key``, unless the strategy ``name`` is there and takes cells of this task."""
        strategy = self.strategies.get(name)
        if strategy is None:
            raise ValueError(f"{key}: {name!r} is not an entry of strategies; accepted: {', '.join(self.strategies)}")
        section = getattr(self, task)
        operators = len(dict.fromkeys(section.operators))
        nodes = 1 + (section.nodes - 1) * operators
        if getattr(strategy, "space", "topology") == "topology_and_operators" and nodes > MOST_NODES:
            raise ValueError(
                f"{key}: {name!r} begins with every operator at every node: {nodes} nodes for {section.nodes} of "
                f"search.{task}.nodes and {operators} operators; accepted: at most {MOST_NODES}"
            )
        defined = sections_of(task).zero_cost
        if isinstance(strategy, FireflyStrategy):
            self._require_edges(task, name, key)
        if isinstance(strategy, PrerankStrategy) and strategy.zero_cost not in defined:
            otherwise = _leaving_out(task, key)
            accepted = f"zero_cost: {', '.join(defined)}" if defined else "no strategy that ranks untrained networks"
            raise ValueError(
                f"{key}: {name!r} ranks by {strategy.zero_cost}, which is defined for convolutions; "
                f"accepted for {task}: {accepted}{otherwise}"
            )


def _leaving_out(task: Task, key: str) -> str:
    return f", or leave {task} out of tasks" if key.startswith("study.") else ""

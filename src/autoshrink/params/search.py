"""The topology search: the start, the shrink space's sampling, the strategy and the stop (paper, section 3)."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from autoshrink.params.base import Section
from autoshrink.params.objective import ImageObjective, LanguageObjective
from autoshrink.params.strategies import BUILT_IN, AnyStrategy, PrerankStrategy

ImageOperator = Literal["separable_conv_3x3", "conv_1x1", "conv_3x3"]
Activation = Literal["relu", "sigmoid", "tanh", "identity"]


class TaskSearch(Section):
    """What both searches share."""

    strategy: str = "shrink"
    """Which of ``search.strategies`` proposes and selects candidates; ``shrink`` is the paper's."""
    nodes: Annotated[int, Field(ge=2, le=12)]
    """Nodes of the complete cell, its input included; it has nodes * (nodes - 1) / 2 edges."""
    operator_sampling: Literal["balanced", "uniform"]
    """How nodes get their operators, once, at the start: each operator equally often and the order shuffled, or each
    node independently."""
    k: Annotated[int, Field(ge=1)]
    """Candidates evaluated per round, drawn from the shrink space without replacement."""
    keep_fraction: Annotated[float, Field(ge=0, lt=1)]
    """The search stops at round(keep_fraction * initial edges) edges."""

    @property
    def edges(self) -> int:
        """Edges of the complete cell."""
        return self.nodes * (self.nodes - 1) // 2

    @property
    def threshold(self) -> int:
        """Edges at which the search stops."""
        return round(self.keep_fraction * self.edges)

    @model_validator(mode="after")
    def _something_to_shrink(self) -> "TaskSearch":
        if self.threshold >= self.edges:
            raise ValueError(
                f"keep_fraction {self.keep_fraction} keeps {self.threshold} of {self.edges} edges: nothing "
                f"would shrink; accepted: below {1 - 0.5 / self.edges:.3f}, or more nodes"
            )
        return self


class ImageSearch(TaskSearch):
    """The search for a CNN cell."""

    nodes: Annotated[int, Field(ge=2, le=12)] = 5
    operators: Annotated[list[ImageOperator], Field(min_length=1)] = ["separable_conv_3x3", "conv_1x1"]
    """The operators that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "balanced"
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    objective: ImageObjective = ImageObjective()
    """What makes a candidate better."""


class LanguageSearch(TaskSearch):
    """The search for an RNN cell."""

    nodes: Annotated[int, Field(ge=2, le=12)] = 5
    operators: Annotated[list[Activation], Field(min_length=1)] = ["relu", "sigmoid", "tanh", "identity"]
    """The activations that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "uniform"
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.25
    objective: LanguageObjective = LanguageObjective()
    """What makes a candidate better."""


class Search(Section):
    """Both searches, and how a round is spread over jobs."""

    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    """Names of the searches run side by side; each draws its own operators and candidates under the root seed, and
    all share the evaluations' store."""
    slots_per_job: Annotated[int, Field(ge=1)] = 2
    """Candidates that one job trains: 1 spreads a round over a cluster, k trains a round together on one device."""
    strategies: dict[str, AnyStrategy] = dict(BUILT_IN)
    """The strategies one can name in ``cnn.strategy``, ``rnn.strategy`` and ``study.strategies``. The built-in ones can
    be named without being listed here; names are of lower-case letters, ``-`` and ``_``."""
    cnn: ImageSearch = ImageSearch()
    """The search for a CNN cell."""
    rnn: LanguageSearch = LanguageSearch()
    """The search for an RNN cell."""

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

    @model_validator(mode="after")
    def _known_strategies(self) -> "Search":
        for name in self.strategies:
            if not re.fullmatch("[a-z][a-z_-]*", name):  # the name of a search's folder, and a wildcard of the workflow
                raise ValueError(f"strategies: the name {name!r} is not of lower-case letters, - and _")
        for task, section in (("cnn", self.cnn), ("rnn", self.rnn)):
            self.require(task, section.strategy, f"{task}.strategy")
        return self

    def require(self, task: str, name: str, key: str) -> None:
        """Raise ValueError, naming ``key``, unless the strategy ``name`` is there and takes cells of this task."""
        strategy = self.strategies.get(name)
        if strategy is None:
            raise ValueError(f"{key}: {name!r} is not an entry of strategies; accepted: {', '.join(self.strategies)}")
        if task == "rnn" and isinstance(strategy, PrerankStrategy) and strategy.zero_cost != "gradient_norm":
            otherwise = ", or leave rnn out of tasks" if key.startswith("study.") else ""
            raise ValueError(
                f"{key}: {name!r} ranks by {strategy.zero_cost}, which is defined for convolutions; "
                f"accepted for rnn: zero_cost: gradient_norm{otherwise}"
            )

"""A study: several strategies, each over several seeds, at the same cost."""

from typing import Annotated

from pydantic import Field, model_validator

from autoshrink.params.base import Section


class Study(Section):
    """What `snakemake study` compares, and `autoshrink study` looks up in a table."""

    strategies: Annotated[list[str], Field(min_length=1)] = ["shrink", "random", "evolution"]
    """Which of ``search.strategies`` are compared; the others are tested against the first."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=200)] = [0, 1, 2, 3, 4]
    """Names of the searches run with each strategy. Searches of one name start from the same operators, so that they
    can be compared pair by pair."""
    budgets: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = [0.25, 0.5, 1.0]
    """Shares of the full budget at which answers are compared. The full budget is what the costliest search of the
    first strategy spends, in candidate-epochs; a search that stops earlier keeps its answer."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence of the bands and intervals, and what a difference must reach to be called one."""
    final_training: bool = False
    """Whether each search's best cell is trained in full and tested, to see how proxy scores and final quality go
    together (costly)."""

    @model_validator(mode="after")
    def _no_repetition(self) -> "Study":
        for name in ("strategies", "seeds", "budgets"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must differ from each other, found {values}")
        return self

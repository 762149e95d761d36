"""A study: several strategies, each over several seeds, at the same cost."""

from typing import Annotated

from pydantic import Field, model_validator

from autoshrink.params.base import Section


class Study(Section):
    """The comparison that `snakemake study` runs and `autoshrink study` replays on a table."""

    strategies: Annotated[list[str], Field(min_length=1)] = ["shrink", "random", "evolution"]
    """Which of ``search.strategies`` are compared; the others are tested against the first."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=200)] = [0, 1, 2, 3, 4]
    """Replicate labels for each strategy. Searches with the same label start from the same operators, so they can be
    paired."""
    budgets: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = [0.25, 0.5, 1.0]
    """Shares of the full budget at which answers are compared. The full budget is what the costliest search of the
    first strategy spends, in candidate-epochs; a search that stops earlier keeps its answer."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of bands, intervals and tests."""
    final_training: bool = False
    """Train and test each search's best cell in full, to correlate proxy scores with final quality (costly)."""

    @model_validator(mode="after")
    def _no_repetition(self) -> "Study":
        for name in ("strategies", "seeds", "budgets"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must differ from each other, found {values}")
        return self

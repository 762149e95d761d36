"""A search's answer, and the candidates that no other dominates in quality and costs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from autoshrink.records.proposal import Changes, said
from autoshrink.records.record import Count, Many, Number, Record, SearchRecord, optional
from autoshrink.records.round import ScoredSlot


class Finalist(Record):
    """A cell that was evaluated again, under the seeds of all finalists."""

    round: Count
    slot: Count
    """Where the search found it."""
    key: str
    network: Annotated[Changes, Field(exclude_if=lambda changes: not changes)] = {}
    """What the network around it had other than the recipes'."""
    first_score: Number
    """The score that made it a finalist; the mean leaves it out."""
    scores: Many[Number | None]
    """By repeat; None where it has no finite one, or no width of the network is within the budget."""
    qualities: Many[Number | None]
    """The task's metric, by repeat."""
    mean: Number | None
    """Of the finite scores."""
    standard_error: Number | None
    """Of the mean, from the deviation pooled over all finalists."""
    macs: Number
    """Of the final network within a budget, otherwise of the network that was evaluated."""


class Finals(Record):
    """How the finalists decided the answer."""

    rule: Literal["best_mean", "one_standard_error"]
    seeds: Many[int]
    """The root seed of each repeat."""
    epochs: Count | None
    """Where it differs from the recipe's."""
    recipe: Annotated[Literal["final"] | None, Field(exclude_if=optional)] = None
    """``final`` where the final training's recipe, and not the proxy's, made the evaluations."""
    score_deviation: Number | None
    """Standard deviation of the same cell's score under several seeds, pooled over the finalists; None where each was
    evaluated once."""
    quality_deviation: Number | None
    """The same of the task's metric."""
    candidates: Many[Finalist]
    """The best score in the rounds first."""


class Best(SearchRecord, ScoredSlot):
    """A search's answer: the best of all rounds' selected candidates.

    Where finalists decided, ``score`` and ``metrics`` are the means of their evaluations, on which the choice of the
    finalists did not depend; ``evaluation`` stays the round's. ``costs`` are of the network that was evaluated, which
    is the final one with ``recipe: final``; ``fitted`` is of the final network that they chose.
    """

    KIND: ClassVar = "best"

    round: Count
    score: int | float
    finalists: Annotated[Finals | None, Field(exclude_if=optional)] = None

    def words(self) -> str:
        """Return in a phrase whose cell it is, and how it was chosen."""
        if self.finalists is None:
            return f"the best cell is round {self.round}'s, score {self.score:.4f}"
        finals = self.finalists
        changes = self.changes
        own = next(entry for entry in finals.candidates if (entry.key, entry.network) == (self.key, changes))
        error = "" if own.standard_error is None else f" ± {own.standard_error:.4f}"
        by = (
            "the best mean score"
            if finals.rule == "best_mean"
            else "the fewest MACs within a standard error of the best"
        )
        return (
            f"of {len(finals.candidates)} finalists round {self.round}'s cell"
            f"{f' in a network of {said(changes)}' if changes else ''} has {by}: {self.score:.4f}{error} over "
            f"{len(finals.seeds)} seeds ({own.first_score:.4f} in its round)"
        )

    @property
    def changes(self) -> Changes:
        """What the network around the cell has other than the recipes'."""
        return {} if self.fitted is None else self.fitted.changes


class FrontPoint(ScoredSlot):
    """A candidate of the front, and which round it is of."""

    round: Count


class Front(SearchRecord):
    """The fully trained candidates that no other dominates in ``metric`` and all costs."""

    KIND: ClassVar = "front"

    metric: str
    candidates: Many[FrontPoint]

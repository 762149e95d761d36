"""A search's answer, and the candidates that no other dominates in quality and costs."""

from typing import ClassVar

from autoshrink.records.record import Count, Many, SearchRecord
from autoshrink.records.round import ScoredSlot


class Best(SearchRecord, ScoredSlot):
    """A search's answer: the best of all rounds' selected candidates."""

    KIND: ClassVar = "best"

    round: Count
    score: int | float


class FrontPoint(ScoredSlot):
    """A candidate of the front, and which round it is of."""

    round: Count


class Front(SearchRecord):
    """The fully trained candidates that no other dominates in ``metric`` and all costs."""

    KIND: ClassVar = "front"

    metric: str
    candidates: Many[FrontPoint]

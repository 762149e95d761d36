"""What a running training reports. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass

from autoshrink.records.evaluation import EpochEntry
from autoshrink.records.history import GrowthEntry


@dataclass(frozen=True)
class Resumed:
    """The training continues from a checkpoint, in ``epoch`` (from 0)."""

    epoch: int
    checkpoint: str


@dataclass(frozen=True)
class Working:
    """The training is inside ``epoch``; ``done`` is the share of all epochs behind it, ``rates`` its speed by name."""

    epoch: int
    done: float
    rates: dict[str, float]


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended; ``entry`` is its record in the history."""

    entry: EpochEntry
    done: float

    @property
    def epoch(self) -> int:
        """The epoch, from 0."""
        return int(self.entry["epoch"] or 0)


@dataclass(frozen=True)
class Grown:
    """The network has grown."""

    growth: GrowthEntry


TrainingEvent = Resumed | Working | EpochEnded | Grown
Progress = Callable[[TrainingEvent], None]

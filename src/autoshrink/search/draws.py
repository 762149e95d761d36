"""Named random draws of one search, under a common prefix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from autoshrink.runtime import seeds

Item = TypeVar("Item")


@dataclass(frozen=True)
class Draws:
    """Named draws of one search: ``root`` is the run's seed, ``prefix`` such as ``cnn/shrink-0``.

    ``common``, such as ``cnn/seed-0``, is the prefix of what searches of the same seed name but other strategies draw
    alike, so that they can be compared pair by pair: the operators.
    """

    root: int
    prefix: str
    common: str

    @property
    def shared(self) -> "Draws":
        """The draws that other strategies share."""
        return Draws(self.root, self.common, self.common)

    def shuffled(self, name: str, items: Iterable[Item]) -> list[Item]:
        """Return the items in random order."""
        return seeds.shuffled(self.root, f"{self.prefix}/{name}", items)

    def sample(self, name: str, items: Sequence[Item], count: int) -> list[Item]:
        """Return up to ``count`` of the items, without replacement."""
        return seeds.sample(self.root, f"{self.prefix}/{name}", items, count)

    def choice(self, name: str, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return seeds.choice(self.root, f"{self.prefix}/{name}", items)

    def fraction(self, name: str) -> float:
        """Return a number in [0, 1)."""
        return seeds.derive(self.root, f"{self.prefix}/{name}") / 2**63

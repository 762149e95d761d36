"""A network that the found one is compared with, and what networks are worth on the test split, seed by seed."""

from typing import Annotated, ClassVar

from pydantic import Field

from autoshrink.files.artifacts import Json
from autoshrink.records.record import Count, Many, Number, Numbers, Record, SearchRecord, Sha256, optional


class ReferenceNetwork(SearchRecord):
    """A reference, scaled in width to the found network's cost."""

    KIND: ClassVar = "reference"

    name: str
    body: Json
    """A cell or a known block, as ``cells.body`` has it."""
    network: Json
    """The network's section of the recipe, at the width that was found."""
    learning_rate: float
    """What the recipe's learning rate is multiplied by."""
    cost: str
    """What was made equal, such as ``macs`` ..."""
    target: Number
    """... and to what: the found network's."""
    costs: Numbers
    """Of the reference, for one example."""
    source: Annotated[Sha256 | None, Field(exclude_if=optional)] = None
    """Digest of the file that a user's own function stands in."""


class TriedRate(Record):
    """A multiple of the recipe's learning rate, and its result on validation data; None where it diverged."""

    learning_rate: float
    quality: float | None


class ChosenRate(SearchRecord):
    """What a network's learning rate is multiplied by: the best on validation data."""

    KIND: ClassVar = "learning-rate"

    name: str
    learning_rate: float
    tried: Many[TriedRate]


class SeedResult(Record):
    """What one training came to."""

    repetition: Count
    """0 is the training under the run's own seed."""
    quality: float
    """The task's test metric."""


class NetworkTest(SearchRecord):
    """A network's trainings on the test split; beside it, what each says to each test example."""

    KIND: ClassVar = "network-test"

    name: str
    """The reference's, or ``found``."""
    dataset: str
    examples: Count
    """Of the test split: images, words, ..."""
    costs: Numbers
    """``parameters``, ``macs`` and ``activation_bytes`` for one example."""
    learning_rate: float
    results: Many[SeedResult]

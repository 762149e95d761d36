"""The manifest of a prepared data set: what it was made from, and the sha256 of each of its files."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import JsonValue

from autoshrink.records.record import Sha256, TaskRecord


class Manifest(TaskRecord):
    """What every prepared data set says of itself; each task's own type adds counts and shapes."""

    KIND: ClassVar = "dataset"

    name: str
    """Its name among ``datasets``."""
    source: str
    source_version: str
    """Which package, release or folder the raw data came from."""
    settings: Mapping[str, JsonValue]
    """Its entry in ``datasets``."""
    files: Mapping[str, Sha256]
    """Digests of the files beside the manifest, by name."""

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, str]:
        """The size of each split in words, such as ``4,000 images``."""

"""What the files of tables and their models hold."""

from collections.abc import Mapping
from typing import ClassVar

from autoshrink.params.base import Task
from autoshrink.records.manifest import Manifest
from autoshrink.records.record import Count, Many


class TableManifest(Manifest):
    """A prepared table."""

    TASK: ClassVar = Task("tabular")

    features: Count
    classes: Many[str]
    counts: Mapping[str, Count]

    @property
    def sizes(self) -> Mapping[str, str]:
        """The rows of each split."""
        return {split: f"{count} rows" for split, count in self.counts.items()}

"""What the files of tables and their models hold."""

from collections.abc import Mapping
from typing import ClassVar

from autoshrink.params.base import Task
from autoshrink.records.manifest import Manifest
from autoshrink.records.model import ModelDescription
from autoshrink.records.record import CellField, Count, Many

from .parameters import TabularNetwork


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


class TableModel(ModelDescription):
    """A trained classifier of rows."""

    TASK: ClassVar = Task("tabular")

    cell: CellField
    network: TabularNetwork
    features: Count
    classes: Many[str]

    @property
    def summary(self) -> str:
        """How many classes it tells apart."""
        return f"A classifier of rows of {self.features} features into {len(self.classes)} classes"

"""Known networks, counted like found cells for comparison."""

from typing import Any, ClassVar

from autoshrink.records.record import Count, Many, Number, Record, SealedRecord, TaskName


class KnownNetwork(Record):
    """One network's parameters and MACs as counted here, and its quality as published, where it is."""

    task: TaskName
    name: str
    source: str
    parameters: Count
    macs: Count
    parameters_with_batch_norm: Count
    macs_with_batch_norm: Count
    accuracy_top1: Number | None = None
    perplexity_validation: Number | None = None
    perplexity_test: Number | None = None
    dataset: str | None = None
    """What its published quality is on; None in older files: the task's benchmark."""


class KnownNetworks(SealedRecord):
    """All of them."""

    KIND: ClassVar = "known-networks"

    rows: Many[KnownNetwork]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values; a network has only the metrics that it was given."""
        return self.model_dump(mode="json", exclude_unset=True)

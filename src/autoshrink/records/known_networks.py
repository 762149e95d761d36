"""Known networks to compare with: counted here, or as published."""

from typing import ClassVar

from autoshrink.records.record import Count, Many, Metrics, Number, Record, SealedRecord, TaskName


class KnownNetwork(Record):
    """One network's parameters, MACs and published quality."""

    task: TaskName
    name: str
    source: str
    dataset: str
    """What its quality is on."""
    quality: Metrics
    """By the columns of the task's ``reported`` metrics; accuracies in [0, 1]."""
    parameters: Number
    macs: Number | None
    """Of one example, such as an image of 224 x 224 pixels; None where they are not published."""
    search_device_hours: Number | None = None
    note: str = ""


class CountedNetwork(KnownNetwork):
    """One whose costs were counted here."""

    parameters: Count
    macs: Count
    parameters_with_batch_norm: Count
    macs_with_batch_norm: Count


class KnownNetworks(SealedRecord):
    """All counted networks."""

    KIND: ClassVar = "known-networks"
    VERSION: ClassVar = 2

    rows: Many[CountedNetwork]

"""What the files of text data sets and language models hold."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from autoshrink.params.base import Task
from autoshrink.records.manifest import Manifest
from autoshrink.records.record import Count, Record

SplitName = Literal["train", "validation", "test"]


class TextCounts(Record):
    """The size of a split."""

    lines: Count
    tokens: Count
    """``<eos>`` of each line included."""
    words: Count
    """Different ones."""
    unknown_tokens: Count


class TextManifest(Manifest):
    """A prepared text."""

    TASK: ClassVar = Task.RNN

    vocabulary: Count
    """Its number of words."""
    counts: Mapping[SplitName, TextCounts]

    @property
    def sizes(self) -> Mapping[str, str]:
        """The words and lines of each split."""
        return {split: f"{count.tokens:,} words in {count.lines:,} lines" for split, count in self.counts.items()}

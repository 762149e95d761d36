"""What the files of text data sets and language models hold."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from autoshrink.params.base import Task
from autoshrink.params.language import LanguageNetwork, LanguageTraining
from autoshrink.records.manifest import Manifest
from autoshrink.records.model import ModelDescription, Origin
from autoshrink.records.record import Count, Many, Record, optional

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
    remark: Annotated[str | None, Field(exclude_if=optional)] = None
    """What there is to say of the text to people."""

    @property
    def sizes(self) -> Mapping[str, str]:
        """The words and lines of each split."""
        return {split: f"{count.tokens:,} words in {count.lines:,} lines" for split, count in self.counts.items()}


class TextOrigin(Origin):
    """What a language model was trained on."""

    lowercase: bool
    prose: Annotated[bool, Field(exclude_if=lambda found: not found)] = False
    """Whether it was running prose, split into sentences and words."""

    @property
    def training(self) -> LanguageTraining:
        """The recipe, typed."""
        return LanguageTraining.model_validate(self.recipe)


class TextModel(ModelDescription):
    """A trained language model: its architecture and the words it knows."""

    TASK: ClassVar = Task.RNN

    network: LanguageNetwork
    origin: TextOrigin
    words: Many[str]
    """A token is an index into them."""

    @property
    def summary(self) -> str:
        """How many words it knows."""
        return f"A word-level language model of {len(self.words):,} words"

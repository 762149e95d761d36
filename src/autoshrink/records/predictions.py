"""Predictions on the test split, for people to look at: what the report's page can show of a final test."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from autoshrink.records.record import Count, Many, Number, Record

Confusion = Annotated[tuple[Count, Count, Count], Strict(False)]
"""True class, predicted class (both indices), images."""


class ImageSample(Record):
    """A test image and what the model takes it for."""

    image: str
    """A data address, PNG."""
    truth: str
    predicted: str
    probability: Number


class ImagePredictions(Record):
    """A classifier's accuracy by class, its confusions, and sample images."""

    kind: Literal["images"] = "images"
    classes: Many[str]
    images: Many[Count]
    """Test images of each class ..."""
    correct: Many[Count]
    """... and how many of them are classified right."""
    confusions: Many[Confusion]
    """All pairs of classes that occur."""
    samples: Many[ImageSample]
    mistakes: Many[ImageSample]
    """The most confident first."""


class ExpectedWord(Record):
    """A word that the model expects."""

    word: str
    probability: Number


class TextSample(Record):
    """A place of the test text."""

    context: Many[str]
    """The words before it."""
    truth: str
    probability: Number
    """What the model gives the true word."""
    expected: Many[ExpectedWord]
    """The likeliest words, the likeliest first."""


class TextPredictions(Record):
    """What a language model expects at places of the test text."""

    kind: Literal["text"] = "text"
    samples: Many[TextSample]


class NoPredictions(Record):
    """Of a task that shows none."""


Predictions = Annotated[ImagePredictions | TextPredictions | NoPredictions, Field(union_mode="left_to_right")]

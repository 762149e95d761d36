"""What the files of image data sets and classifiers hold."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Strict

from autoshrink.params.base import Task
from autoshrink.params.vision import ImageNetwork
from autoshrink.records.manifest import Manifest
from autoshrink.records.model import ModelDescription, Origin
from autoshrink.records.record import Count, Many, Record

Split = Literal["train", "test"]


class Normalisation(Record):
    """Mean and standard deviation of each channel over the training split, pixels in [0, 1]."""

    mean: Many[float]
    deviation: Many[float]


class Skipped(Record):
    """Images left out of a data set, relative to the source's folder."""

    count: Count
    files: Many[str]


class ImageManifest(Manifest):
    """A prepared data set of images."""

    TASK: ClassVar = Task.CNN

    storage: Literal["array", "files"]
    """``array``: images are kept as arrays; ``files``: they stay in the user's folder and are only listed."""
    shape: Many[Count] | None
    """Height, width and channels of every image; None where images keep their own sizes."""
    normalisation: Normalisation
    classes: Many[str]
    """The classes' names; a label is an index into them."""
    counts: Mapping[Split, Count]
    class_balance: Mapping[Split, Many[Count]]
    """Images of each class."""
    skipped: Skipped

    @property
    def sizes(self) -> Mapping[str, str]:
        """The images of each split."""
        return {split: f"{count:,} images" for split, count in self.counts.items()}


class ImageOrigin(Origin):
    """What a classifier was trained on."""

    storage: Literal["array", "files"]
    """How its images were kept: resized beforehand, or cropped again in every epoch."""


class ImageModel(ModelDescription):
    """A trained classifier: its architecture, and how images are brought to it."""

    TASK: ClassVar = Task.CNN

    network: ImageNetwork
    origin: ImageOrigin
    channels: Count
    classes: Many[str]
    mean: Many[float]
    """Subtracted from pixels in [0, 1] ..."""
    deviation: Many[float]
    """... which are then divided by this."""
    image_size: Annotated[tuple[int, int], Strict(False)]
    """Height and width that the model was trained at, pixels."""
    evaluation_crop: float
    """Central share of an image file that is resized to ``image_size``."""

    @property
    def summary(self) -> str:
        """How many classes it tells apart."""
        return f"An image classifier of {len(self.classes)} classes"

"""What the files of image data sets and classifiers hold."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from autoshrink.params.base import Task
from autoshrink.records.manifest import Manifest
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

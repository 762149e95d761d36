"""Raw images, as a source gives them.

Shapes: N images, H height, W width, C channels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class RawImages:
    """A source's images: (N, H, W, C) bytes with (N,) labels, per split, and the classes' names."""

    train_images_NHWC: Images
    train_labels_N: Labels
    test_images_NHWC: Images
    test_labels_N: Labels
    classes: tuple[str, ...]
    version: str
    skipped: tuple[str, ...] = ()
    """Files left out because they do not decode, relative to the source's folder."""

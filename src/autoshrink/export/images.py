"""A trained image classifier on a person's own images.

Shapes: B batch, C channels, H height, W width, N classifier outputs, K classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from autoshrink.errors import DataError
from autoshrink.export.runs import Trained
from autoshrink.vision import loading
from autoshrink.vision.feeds import EVALUATION_BATCH
from autoshrink.vision.images import Normalise
from autoshrink.vision.loading import ModelDescription

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImagePrediction:
    """What a model takes an image for."""

    path: Path
    best: tuple[tuple[str, float], ...]
    """The likeliest classes with their probabilities, the likeliest first."""
    truth: str | None
    """The class whose folder the image lies in; None where its folder is no class."""

    @property
    def is_right(self) -> bool:
        """Whether the likeliest class is the folder's."""
        return self.best[0][0] == self.truth


def find(path: Path) -> list[Path]:
    """Return the images in a folder and all folders below it, in order, or the one image that ``path`` is.

    Raises DataError where there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(item for item in path.rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file())
    if not found:
        what = "holds no image" if path.is_dir() else "there is no such file or folder"
        raise DataError(f"{path}: {what}; give a folder of images ({', '.join(SUFFIXES)})")
    return found


def predict(trained: Trained, paths: Sequence[Path], count: int) -> Iterator[ImagePrediction]:
    """Yield, image by image, the ``count`` likeliest classes.

    Each image is brought to the network as the images of the final test were. Raises DataError, naming the file, for
    one that does not decode.
    """
    description = loading.read_description(trained.folder)
    network = loading.load_model(trained.folder)
    normalise = Normalise(description.mean, description.deviation)
    first = int(description.network.background_class)
    for start in range(0, len(paths), EVALUATION_BATCH):
        chosen = paths[start : start + EVALUATION_BATCH]
        images_BHWC = torch.stack([read(path, description) for path in chosen])
        with torch.no_grad():
            probabilities_BK = network(normalise(images_BHWC))[:, first:].softmax(1)
        best = probabilities_BK.topk(min(count, len(description.classes)))
        for path, classes, values in zip(chosen, best.indices.tolist(), best.values.tolist(), strict=True):
            names = [description.classes[index] for index in classes]
            truth = path.parent.name if path.parent.name in description.classes else None
            yield ImagePrediction(path, tuple(zip(names, values, strict=True)), truth)


def read(path: Path, description: ModelDescription) -> Tensor:
    """Return an image as bytes (H, W, C) of the size and colours that the model takes."""
    height, width = description.image_size
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("L" if description.channels == 1 else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: does not decode as an image ({error})") from None
    if image.size != (width, height):
        shorter = round(min(height, width) / description.evaluation_crop)
        image = functional.center_crop(
            functional.resize(image, [shorter], v2.InterpolationMode.BICUBIC), [height, width]
        )
    pixels_HWC = np.asarray(image, dtype=np.uint8).reshape(height, width, description.channels)
    return torch.from_numpy(pixels_HWC.copy())

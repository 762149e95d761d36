"""Classify the user's own images with a trained model.

Shapes: B batch, C channels, H height, W width, N classifier outputs, K classes.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.files.artifacts import Json
from autoshrink.tasks.deployment import Prediction
from autoshrink.tasks.vision import listings, loading
from autoshrink.tasks.vision.decoding import decode
from autoshrink.tasks.vision.feeds import EVALUATION_BATCH
from autoshrink.tasks.vision.images import Normalise
from autoshrink.tasks.vision.records import ImageModel


@dataclass(frozen=True)
class ImagePrediction:
    """A model's answer for one image."""

    path: Path
    best: tuple[tuple[str, float], ...]
    """The likeliest classes with their probabilities, the likeliest first."""
    truth: str | None
    """The class whose folder the image lies in; None where its folder is no class."""

    @property
    def is_right(self) -> bool:
        """Whether the likeliest class is the folder's."""
        return self.best[0][0] == self.truth


@dataclass(frozen=True)
class ImagePredictions(Prediction):
    """A model's answers for one or more images."""

    images: tuple[ImagePrediction, ...]

    @property
    def labelled(self) -> list[ImagePrediction]:
        """Those in a folder that bears a class's name."""
        return [item for item in self.images if item.truth is not None]

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled images whose likeliest class is right; None where none is labelled."""
        return sum(item.is_right for item in self.labelled) / len(self.labelled) if self.labelled else None

    def to_json(self) -> Json:
        """Return the accuracy and each image's likeliest classes."""
        listed = [
            {"file": str(item.path), "best": [{"class": name, "probability": value} for name, value in item.best]}
            for item in self.images
        ]
        return {"accuracy": self.accuracy, "labelled": len(self.labelled), "images": listed}

    def text(self) -> str:
        """Return a CSV table, one row per image."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        count = len(self.images[0].best)
        numbers = [""] if count == 1 else [f"_{number}" for number in range(1, count + 1)]
        writer.writerow(["file", "folder", *(name + number for number in numbers for name in ("class", "probability"))])
        for item in self.images:
            answers = [text for name, value in item.best for text in (name, f"{value:.4f}")]
            writer.writerow([item.path, item.truth or "", *answers])
        return out.getvalue().removesuffix("\n")

    @property
    def remark(self) -> str | None:
        """The accuracy, where folders bear classes' names."""
        if self.accuracy is None:
            return None
        return f"accuracy {100 * self.accuracy:.2f} % of {len(self.labelled)} images in folders of classes' names"


def find(path: Path) -> list[Path]:
    """Return the images in a folder and all folders below it, in order, or the one image that ``path`` is.

    Raises DataError where there is none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(item for item in path.rglob("*") if item.suffix.lower() in listings.EXTENSIONS and item.is_file())
    if not found:
        raise DataError(f"{path}: holds no image; give a folder of images ({', '.join(sorted(listings.EXTENSIONS))})")
    return found


def predict(folder: Path, paths: Sequence[Path], count: int) -> Iterator[ImagePrediction]:
    """Yield, image by image, the ``count`` likeliest classes.

    Each image is brought to the network as the images of the final test were. Raises DataError, naming the file, for
    one that does not decode.
    """
    description = ImageModel.of(folder)
    network = loading.load_model(folder)
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


def read(path: Path, description: ImageModel) -> Tensor:
    """Return an image file as bytes (H, W, C), brought to the model's size and colours as its training images were.

    Raises DataError, naming the file, where it does not decode.
    """
    height, width = description.image_size
    try:
        image = decode(foreign.read(path), "grey" if description.channels == 1 else "rgb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if description.origin.storage == "files":
        from autoshrink.tasks.vision.files import CentralCrop

        image = CentralCrop(description.evaluation_crop, (height, width))(image)
    elif image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(listings.as_bytes(image).copy())

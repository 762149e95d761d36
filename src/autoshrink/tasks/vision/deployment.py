"""Trained classifiers outside the pipeline: prediction, and export as modules that take raw pixels.

Shapes: B batch, C channels, H height, W width, K classes, N classifier outputs.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from autoshrink.errors import DataError
from autoshrink.params.vision import ImageTraining
from autoshrink.tasks.deployment import Deployment, Inputs, Run, Signature, traced
from autoshrink.tasks.vision import data as images
from autoshrink.tasks.vision import listings, prediction, splits
from autoshrink.tasks.vision.network import CellNetwork
from autoshrink.tasks.vision.records import ImageModel
from autoshrink.training.events import Progress

IMAGES = 16
"""Images of the largest batch that an export is checked on."""

CALIBRATION, BATCH = 256, 32
"""Held-out images that an int8 model's scales are calibrated on, at most, and images that are run at a time."""

Item = TypeVar("Item")

_ONNX = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
pixels = np.zeros((1, {channels}, {height}, {width}), np.float32)  # images, each value in [0, 1]
(logits,) = session.run(None, {{"pixels": pixels}})
print(logits.argmax(1))  # the class of each image; their names are in session.get_modelmeta()"""
USAGE = {
    "onnx": _ONNX,
    "onnx-int8": _ONNX,
    "torchscript": """\
import torch

model = torch.jit.load("{file}")
pixels = torch.zeros(1, {channels}, {height}, {width})  # images, each value in [0, 1]
print(model(pixels).argmax(1))  # the class of each image""",
    "state-dict": """\
import torch
from autoshrink import load_model

model = load_model(".")  # this folder: model.json says what the weights in {file} are of
images = torch.zeros(1, {channels}, {height}, {width})  # (pixels - mean) / deviation, both in model.json
print(model(images).argmax(1))""",
}


class ImageClassifier(nn.Module):
    """Pixels in [0, 1] (B, C, H, W) to the classes' logits (B, K): normalises by itself, drops the background class."""

    mean_C11: Tensor
    deviation_C11: Tensor

    def __init__(
        self, network: CellNetwork, mean: Sequence[float], deviation: Sequence[float], background_class: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.first = int(background_class)
        self.register_buffer("mean_C11", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation_C11", torch.tensor(deviation)[:, None, None])

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return the classes' logits."""
        logits_BN: Tensor = self.network((pixels_BCHW - self.mean_C11) / self.deviation_C11)
        return logits_BN[:, self.first :]


class ImageDeployment(Deployment[ImageModel]):
    """Classifiers of images."""

    signature = Signature(("pixels",), ("logits",), ({0: "batch"},))
    usage = USAGE
    fine_tunes = True

    def accepts(self, path: Path) -> bool:
        """Whether it is a folder or has an image's suffix."""
        return path.is_dir() or path.suffix.lower() in listings.EXTENSIONS

    def predict(self, folder: Path, path: Path, count: int) -> prediction.ImagePredictions:
        """Classify an image, or all images of a folder."""
        return prediction.ImagePredictions(tuple(prediction.predict(folder, prediction.find(path), count)))

    def inputs(self, folder: Path, data: Path) -> list[Inputs]:
        """Return training images, picked from all classes, as pixels in [0, 1]."""
        prepared = images.load(data)
        if prepared.storage == "files":
            root = Path(str(prepared.manifest.settings["folder"]))
            description = ImageModel.of(folder)
            chosen = [prediction.read(root / file.path, description) for file in _spread(prepared.listing("train"))]
            chosen_BHWC = torch.stack(chosen)
        else:
            chosen_BHWC = torch.from_numpy(np.stack(_spread(list(prepared.split("train").images_NHWC))))
        pixels_BCHW = chosen_BHWC.permute(0, 3, 1, 2) / 255.0
        return [(pixels_BCHW,), (pixels_BCHW[:1],), (pixels_BCHW[: IMAGES // 2],)]

    def calibration(self, folder: Path, data: Path) -> Iterator[Inputs]:
        """Return held-out images, at most ``CALIBRATION``, spread over all of them."""
        pixels, _ = _held_out(folder, data)
        step = max(1, len(pixels) // CALIBRATION)
        chosen = range(0, len(pixels), step)[:CALIBRATION]
        return ((torch.stack([pixels[index] for index in part]),) for part in _parts(chosen))

    def fine_tune(self, folder: Path, data: Path, epochs: int, out: Path, progress: Progress) -> None:
        """Train on by the model's own recipe: see ``rounded.fine_tune``."""
        from autoshrink.tasks.vision import rounded

        _held_out(folder, data)  # told before anything is trained
        rounded.fine_tune(folder, images.load(data), epochs, out, progress)

    def judge(self, folder: Path, data: Path, run: Run) -> tuple[str, float, int]:
        """Return the accuracy on the held-out images."""
        pixels, labels = _held_out(folder, data)
        right = 0
        for part in _parts(range(len(pixels))):
            (logits_BK,) = run((torch.stack([pixels[index] for index in part]),))
            right += int((logits_BK.argmax(1) == torch.tensor([labels[index] for index in part])).sum())
        return "accuracy", right / len(pixels), len(pixels)

    def labels(self, description: ImageModel) -> tuple[str, Sequence[str]]:
        """Return the classes."""
        return "classes", description.classes

    def preparation(self, description: ImageModel) -> Sequence[str]:
        """Return the decoding, the resizing and the scaling of pixels."""
        height, width = description.image_size
        color = "grey" if description.channels == 1 else "RGB"
        if description.origin.storage == "files":
            crop = (
                ""
                if description.evaluation_crop == 1
                else f"the central {description.evaluation_crop:g} of each side, "
            )
            fitted = f"Resize {crop}to {width} x {height} pixels (width x height), bicubic, whatever its proportions."
        else:
            fitted = (
                f"Crop the centre to the proportions {width} : {height} and resize it to {width} x {height} pixels "
                "(width x height), bicubic, as `PIL.ImageOps.fit` does."
            )
        mean, deviation = (
            ", ".join(f"{value:.6g}" for value in values) for values in (description.mean, description.deviation)
        )
        return [
            f"Decode to {color}, upright (EXIF), with transparency laid on white.",
            fitted,
            "Divide by 255, so that values are in [0, 1], and put channels before height and width.",
            f"ONNX and TorchScript normalise by themselves. For the state dict subtract the mean ({mean}) and divide "
            f"by the deviation ({deviation}), channel by channel.",
        ]

    def sizes(self, description: ImageModel) -> Mapping[str, int]:
        """Return the sizes of one image."""
        height, width = description.image_size
        return {"channels": description.channels, "height": height, "width": width}

    def reference(self, model: nn.Module, description: ImageModel) -> nn.Module:
        """Return the classifier with its normalisation inside, the background class dropped."""
        background = description.network.background_class
        return ImageClassifier(cast(CellNetwork, model), description.mean, description.deviation, background).eval()

    def scripted(self, model: nn.Module, description: ImageModel, example: Inputs) -> Any:
        """Return the reference, traced."""
        return traced(self.reference(model, description), example)


class _Pixels:
    """Training images by index, as pixels (C, H, W) in [0, 1]; those in files are read when they are asked for."""

    def __init__(self, count: int, read: Callable[[int], Tensor]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        return self._read(index).permute(2, 0, 1) / 255.0


def _held_out(folder: Path, data: Path) -> tuple[_Pixels, list[int]]:
    """Return the images held out from the model's training, and their labels. Raises DataError where there are none."""
    description, prepared = ImageModel.of(folder), images.load(data)
    recipe = ImageTraining.model_validate_json(json.dumps(dict(description.origin.recipe)))
    files = prepared.listing("train") if prepared.storage == "files" else None
    split = None if files is not None else prepared.split("train")
    labels_N = np.array([file.label for file in files]) if files is not None else split.labels_N  # type: ignore[union-attr]
    chosen = np.flatnonzero(splits.held_out(prepared, labels_N, recipe, description.origin.seed)).tolist()
    if not chosen:
        raise DataError(
            f"{folder}: no validation images were held out from its training, and int8 is calibrated and judged on "
            "them; accepted: a model trained with training.cnn.validation_per_class above 0"
        )

    def read(index: int) -> Tensor:
        if files is not None:
            root = Path(str(prepared.manifest.settings["folder"]))
            return prediction.read(root / files[chosen[index]].path, description)
        return torch.from_numpy(split.images_NHWC[chosen[index]])  # type: ignore[union-attr]

    return _Pixels(len(chosen), read), [int(labels_N[index]) for index in chosen]


def _parts(indices: range) -> Iterator[range]:
    """Return the indices in batches."""
    return (indices[start : start + BATCH] for start in range(0, len(indices), BATCH))


def _spread(items: Sequence[Item]) -> list[Item]:
    """Return ``IMAGES`` items, evenly spread."""
    step = max(1, len(items) // IMAGES)
    return [items[index] for index in range(0, len(items), step)][:IMAGES]

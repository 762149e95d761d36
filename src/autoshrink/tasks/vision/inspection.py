"""Accuracy by class, confusions and sample predictions of a classifier on the test split.

Shapes: B batch, C channels, H height, W width, N classifier outputs, K classes.
"""

import base64
import heapq
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from autoshrink.records.predictions import ImagePredictions, ImageSample
from autoshrink.tasks.vision.records import ImageModel

SAMPLES = 12
THUMBNAIL = 96
"""Longest side of a sample image, pixels."""


class Inspection:
    """Collects predictions batch by batch; call it with each batch's images, labels and logits."""

    def __init__(self, description: ImageModel, total: int) -> None:
        count = len(description.classes)
        self._description, self._first = description, int(description.network.background_class)
        self._confusion_KK = np.zeros((count, count), dtype=np.int64)
        self._every = max(1, total // SAMPLES)
        self._seen = 0
        self._samples: list[ImageSample] = []
        # the most confident mistakes: (probability, -index) grows with how remarkable one is
        self._mistakes: list[tuple[float, int, ImageSample]] = []

    def __call__(self, x_BCHW: Tensor, labels_B: Tensor, logits_BN: Tensor) -> None:
        """Take a batch: normalised images, their labels and the logits for them."""
        probabilities_BK = logits_BN[:, self._first :].softmax(dim=1)
        best = probabilities_BK.max(dim=1)
        labels, predicted = labels_B.tolist(), best.indices.tolist()
        np.add.at(self._confusion_KK, (labels, predicted), 1)
        for row, (truth, answer, probability) in enumerate(zip(labels, predicted, best.values.tolist(), strict=True)):
            index, self._seen = self._seen, self._seen + 1
            if index % self._every == 0 and len(self._samples) < SAMPLES:
                self._samples.append(self._sample(x_BCHW[row], truth, answer, probability))
            if truth == answer:
                continue
            if len(self._mistakes) < SAMPLES or (probability, -index) > self._mistakes[0][:2]:
                entry = probability, -index, self._sample(x_BCHW[row], truth, answer, probability)
                (heapq.heappush if len(self._mistakes) < SAMPLES else heapq.heapreplace)(self._mistakes, entry)

    def predictions(self) -> ImagePredictions:
        """Return all of it."""
        rows, columns = np.nonzero(self._confusion_KK)
        counts = self._confusion_KK[rows, columns]
        return ImagePredictions(
            classes=self._description.classes,
            images=self._confusion_KK.sum(axis=1).tolist(),
            correct=self._confusion_KK.diagonal().tolist(),
            confusions=tuple(zip(rows.tolist(), columns.tolist(), counts.tolist(), strict=True)),
            samples=tuple(self._samples),
            mistakes=tuple(sample for _, _, sample in sorted(self._mistakes, key=lambda item: item[:2], reverse=True)),
        )

    def _sample(self, x_CHW: Tensor, truth: int, answer: int, probability: float) -> ImageSample:
        names = self._description.classes
        return ImageSample(
            image=self._png(x_CHW), truth=names[truth], predicted=names[answer], probability=round(probability, 4)
        )

    def _png(self, x_CHW: Tensor) -> str:
        """Return the image as the model saw it, as a data address."""
        mean_C11, deviation_C11 = (
            torch.tensor(values)[:, None, None] for values in (self._description.mean, self._description.deviation)
        )
        pixels_CHW = (x_CHW.float().cpu() * deviation_C11 + mean_C11).clamp(0, 1) * 255
        pixels_HWC = pixels_CHW.round().byte().permute(1, 2, 0).numpy()
        image = Image.fromarray(pixels_HWC[:, :, 0] if pixels_HWC.shape[2] == 1 else pixels_HWC)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        file = io.BytesIO()
        image.save(file, format="PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

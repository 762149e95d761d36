"""Batches for one process's share of the work, identical after a resume.

Shapes: B batch, N images, H height, W width, C channels.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import augmentation
from autoshrink.tasks.vision.data import Split
from autoshrink.tasks.vision.images import Normalise

Batch = tuple[Tensor, Tensor]
"""Normalised images (B, C, H, W) and labels (B,), on the training's device."""

EVALUATION_BATCH = 250


class Feed(Protocol):
    """One split of a data set, as batches."""

    count: int

    def training_batches(self, recipe: ImageTraining, seed: int, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield this process's share of each optimizer step of ``epoch``, augmented, from ``first_step`` on."""
        ...

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yield this process's share of all images, each exactly once over all processes."""
        ...


class ArrayFeed:
    """A split that lies in the device's memory as bytes."""

    def __init__(self, split: Split, normalise: Normalise, share: Share, device: torch.device) -> None:
        self.count = len(split.labels_N)
        self._images_NHWC = torch.from_numpy(split.images_NHWC).to(device)
        self._labels_N = torch.from_numpy(split.labels_N).to(device)
        self._normalise = normalise.to(device)
        self._share, self._device = share, device

    def training_batches(self, recipe: ImageTraining, seed: int, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield as ``Feed`` says."""
        order_N = epoch_order(seed, epoch, self.count).to(self._device)
        draws_ND = augmentation.draws(seed, epoch, self.count).to(self._device)
        for positions in step_positions(
            self.count, recipe.batch_size, self._share, first_step, recipe.accumulation_steps
        ):
            chosen_B, draws_BD = order_N[positions], draws_ND[positions]
            images_BHWC = augmentation.move(self._images_NHWC[chosen_B], draws_BD, recipe.augmentation)
            x_BCHW = self._normalise(images_BHWC)
            yield augmentation.erase(x_BCHW, draws_BD, recipe.augmentation), self._labels_N[chosen_B]

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yield as ``Feed`` says."""
        for part in evaluation_slices(self.count, EVALUATION_BATCH, self._share):
            yield self._normalise(self._images_NHWC[part]), self._labels_N[part]


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order (N,) in which an epoch visits the training images."""
    return torch.randperm(count, generator=seeds.torch_generator(seed, f"epoch/{epoch}/order"))


def step_positions(count: int, batch_size: int, share: Share, first_step: int, unit: int = 1) -> Iterator[slice]:
    """Yield, step by step, which positions of the epoch's order this process takes, a multiple of ``unit``.

    A last partial batch is dropped.
    """
    own = share.own(batch_size, unit)
    for step in range(first_step, count // batch_size):
        start = step * batch_size
        yield slice(start + own.start, start + own.stop)


def evaluation_slices(count: int, batch_size: int, share: Share) -> Iterator[slice]:
    """Yield the slices of 0..count that this process evaluates."""
    for start in range(share.rank * batch_size, count, share.world * batch_size):
        yield slice(start, min(start + batch_size, count))

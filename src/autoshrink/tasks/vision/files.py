"""Batches of images decoded from their files in every epoch, as for ImageNet, with draws named by image.

Shapes: B batch, N images, H height, W width, C channels.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.transforms import RandomResizedCropAndInterpolation
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import augmentation, listings
from autoshrink.tasks.vision.decoding import decode
from autoshrink.tasks.vision.feeds import Batch, epoch_order, evaluation_slices, step_positions
from autoshrink.tasks.vision.images import Normalise
from autoshrink.tasks.vision.listings import ImageFile

EVALUATION_BATCH = 100
# the released code's four: nearest, bilinear, bicubic, area
KERNELS = tuple(v2.InterpolationMode(name) for name in ("nearest", "bilinear", "bicubic", "box"))
Change = Callable[[Image.Image], Image.Image]
Item = tuple[Tensor, int] | DataError


class FileFeed:
    """A split whose images stay in their files: ``Feed`` by decoding, ``loader_workers`` processes at a time."""

    def __init__(
        self,
        folder: Path,
        color: str,
        files: list[ImageFile],
        normalise: Normalise,
        size: tuple[int, int],
        evaluation_crop: float,
        workers: int,
        share: Share,
        device: torch.device,
    ) -> None:
        self.count = len(files)
        self._folder, self._files, self._color = folder, files, color
        self._normalise = normalise.to(device)
        self._size, self._evaluation_crop, self._workers = size, evaluation_crop, workers
        self._share, self._device = share, device

    def training_batches(self, recipe: ImageTraining, seed: int, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield as ``Feed`` says. Raises DataError where a file no longer decodes."""
        order_N = epoch_order(seed, epoch, self.count)
        draws_ND = augmentation.draws(seed, epoch, self.count)
        unit = recipe.accumulation_steps
        positions = list(step_positions(self.count, recipe.batch_size, self._share, first_step, unit))
        change = training_change(recipe, self._size)
        items = _Items(self._folder, self._files, self._color, change, seed, f"epoch/{epoch}/image")
        batches = self._batches(items, [order_N[part].tolist() for part in positions])
        for part, (images_BHWC, labels_B) in zip(positions, batches, strict=True):
            draws_BD = draws_ND[part].to(self._device)
            yield augmentation.erase(self._normalise(images_BHWC), draws_BD, recipe.augmentation), labels_B

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yield as ``Feed`` says. Raises DataError where a file no longer decodes."""
        change = CentralCrop(self._evaluation_crop, self._size)
        items = _Items(self._folder, self._files, self._color, change, 0, "evaluation")
        parts = evaluation_slices(self.count, EVALUATION_BATCH, self._share)
        for images_BHWC, labels_B in self._batches(items, [list(range(part.start, part.stop)) for part in parts]):
            yield self._normalise(images_BHWC), labels_B

    def _batches(self, items: "_Items", indices: list[list[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        loader: DataLoader[Item] = DataLoader(
            items,
            batch_sampler=indices,
            num_workers=self._workers,
            collate_fn=_collate,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # the loader draws its workers' seeds; nothing reads them
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            images_BHWC, labels_B = batch
            yield images_BHWC.to(self._device, non_blocking=True), labels_B.to(self._device, non_blocking=True)


def training_change(recipe: ImageTraining, size: tuple[int, int]) -> Change:
    """Return what happens to a training image, as torchvision and timm do it; it draws from the global generators."""
    wanted = recipe.augmentation
    steps: list[Change] = []
    if wanted.crop_area:
        area, aspect = tuple(wanted.crop_area), tuple(wanted.crop_aspect)
        crop = RandomResizedCropAndInterpolation(  # type: ignore[no-untyped-call]
            size, scale=area, ratio=aspect, interpolation="bicubic"
        )
        if wanted.random_resize_kernel:
            crop.interpolation = KERNELS
        steps.append(crop)
    else:
        steps.append(v2.Resize(size, v2.InterpolationMode.BICUBIC))
    if wanted.pad_crop:
        steps.append(v2.RandomCrop(size, padding=wanted.pad_crop))
    if wanted.horizontal_flip:
        steps.append(v2.RandomHorizontalFlip(wanted.horizontal_flip))
    if wanted.rotation or wanted.translation or wanted.zoom:
        shift, scale = (wanted.translation or 0.0,) * 2, wanted.zoom or 0.0
        zoom = 1 - scale, 1 + scale
        steps.append(v2.RandomAffine(wanted.rotation or 0.0, shift, zoom, interpolation=v2.InterpolationMode.BILINEAR))
    if wanted.rand_augment:
        steps.append(rand_augment_transform(wanted.rand_augment, {}))
    if wanted.color_jitter:
        strength = wanted.color_jitter
        if wanted.color_brightness == "added":
            others = (
                v2.ColorJitter(contrast=strength),
                v2.ColorJitter(saturation=strength),
                v2.ColorJitter(hue=strength / 4),
            )
            steps.append(v2.RandomOrder([AddedBrightness(strength), *others]))
        else:
            steps.append(v2.ColorJitter(strength, strength, strength, strength / 4))
    composed: Change = v2.Compose(steps)
    return composed


class AddedBrightness:
    """Add one draw, uniform in -``strength`` to ``strength`` of white, to every value of an image, and clip."""

    def __init__(self, strength: float) -> None:
        self._strength = strength

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the brighter or darker image."""
        added = 255 * float(torch.empty(()).uniform_(-self._strength, self._strength))
        return image.point(lambda value: min(max(round(value + added), 0), 255))


class CentralCrop:
    """The central crop of share ``crop`` of each side, resized (bicubic) to ``size``, height and width."""

    def __init__(self, crop: float, size: tuple[int, int]) -> None:
        self._crop, self._size = crop, size

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the image as evaluation sees it."""
        left, top = image.width * (1 - self._crop) / 2, image.height * (1 - self._crop) / 2
        box = (left, top, image.width - left, image.height - top)
        return image.resize((self._size[1], self._size[0]), Image.Resampling.BICUBIC, box=box)


class _Items(Dataset[Item]):
    """One image by its index. An error is returned, not raised: a loader would wrap its one line in a traceback."""

    def __init__(self, folder: Path, files: list[ImageFile], color: str, change: Change, seed: int, draw: str) -> None:
        self._folder, self._files, self._color = folder, files, color
        self._change, self._seed, self._draw = change, seed, draw

    def __getitem__(self, index: int) -> Item:
        file = self._files[index]
        path = self._folder / file.path
        try:
            image = decode(foreign.read(path), self._color)
        except OSError as error:
            return DataError(f"{path}: cannot be read ({error.strerror}); prepare the data set again")
        except DataError as error:
            return DataError(f"{path}: {error}; it changed since the data set was prepared: prepare it again")
        with _own_stream(seeds.derive(self._seed, f"{self._draw}/{index}")):
            pixels_HWC = listings.as_bytes(self._change(image))
        return torch.from_numpy(pixels_HWC.copy()), file.label


@contextlib.contextmanager
def _own_stream(seed: int) -> Iterator[None]:
    """Let the block draw from global generators that are seeded for it alone, and give them back as they were.

    torchvision draws from torch's generator, timm from Python's and NumPy's.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _collate(items: list[Item]) -> tuple[Tensor, Tensor] | DataError:
    images, labels = [], []
    for item in items:
        if isinstance(item, DataError):
            return item
        images.append(item[0])
        labels.append(item[1])
    return torch.stack(images), torch.tensor(labels)

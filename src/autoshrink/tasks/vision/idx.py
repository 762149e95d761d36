"""Read Fashion-MNIST from idx files (LeCun's format), gzipped or not, in a folder or downloaded by torchvision.

Shapes: N images, H height, W width, C channels.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.params.data import FashionMnist
from autoshrink.tasks.vision.raw import Images, Labels, RawImages

CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
COUNTS = {"train": 60_000, "t10k": 10_000}


def fashion_mnist(entry: FashionMnist, downloads: Path) -> RawImages:
    """Return Fashion-MNIST with its official split. Raises DataError where a file is missing, damaged or too short."""
    folder = Path(entry.folder) if entry.folder else _download(downloads)
    return RawImages(*_split(folder, "train"), *_split(folder, "t10k"), CLASSES, "fashion-mnist 60,000 + 10,000")


def _split(folder: Path, name: str) -> tuple[Images, Labels]:
    images_NHW, labels_N = _read(folder, f"{name}-images-idx3-ubyte"), _read(folder, f"{name}-labels-idx1-ubyte")
    expected = COUNTS[name]
    if images_NHW.shape != (expected, 28, 28) or labels_N.shape != (expected,):
        raise DataError(
            f"{folder}: {name} holds images {images_NHW.shape} and labels {labels_N.shape}; expected {expected} "
            "images of 28 x 28 and as many labels: these are not Fashion-MNIST's files"
        )
    return images_NHW[..., None], labels_N.astype(np.int64)


def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read one idx file of bytes: magic 0, 0, 8, dimensions; each dimension in 4 bytes, big-endian; the bytes."""
    paths = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if not paths:
        raise DataError(
            f"{folder / name}: there is no such file, nor {name}.gz; give the folder with the four idx files"
        )
    path = paths[0]
    try:
        content = foreign.read(path)
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); the file is truncated or no gzip file") from None
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(dimensions)]
    start = 4 + 4 * dimensions
    if not dimensions or 0 in shape or len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: is no whole idx file of bytes: {len(content):,} bytes, header says {shape}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _download(downloads: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    folder = downloads / "FashionMNIST" / "raw"
    if not (folder / "t10k-labels-idx1-ubyte").exists():
        fetch("fashion-mnist", lambda: FashionMNIST(str(downloads), download=True))
    return folder


def fetch(source: str, download: Any) -> None:
    """Call torchvision's ``download``. Raises DataError, in one line, where it fails."""
    try:
        download()
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        raise DataError(
            f"datasets: source {source!r} could not be downloaded ({' '.join(str(error).split())}); "
            "give the folder that holds its files"
        ) from None

"""Read Fashion-MNIST from idx files (LeCun's format), gzipped or not, in a folder or downloaded by torchvision.

Shapes: N images, H height, W width, C channels.
"""

import gzip
import hashlib
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
# of the decompressed files, since people compress them anew
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


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
    for kind, array in (("images-idx3", images_NHW), ("labels-idx1", labels_N)):
        file = f"{name}-{kind}-ubyte"
        found = _digest(array)
        if found != SHA256[file]:
            raise DataError(
                f"{folder / file}: is not Fashion-MNIST's published file (its sha256, decompressed, is {found}, not "
                f"{SHA256[file]}); fetch it again, or give your own images as imagefolder"
            )
    return images_NHW[..., None], labels_N.astype(np.int64)


def _digest(array: NDArray[np.uint8]) -> str:
    """Return the sha256 of the idx file that holds the array."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()


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

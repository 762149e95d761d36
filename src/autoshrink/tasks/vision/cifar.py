"""Read CIFAR-10's official python or binary version, each file checked against its published md5.

Shapes: N images, H height, W width, C channels.
"""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from autoshrink.errors import DataError
from autoshrink.files import foreign
from autoshrink.params.data import Cifar10
from autoshrink.tasks.vision.idx import fetch
from autoshrink.tasks.vision.raw import Images, Labels, RawImages

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
PYTHON_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
BINARY_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}


def cifar10(entry: Cifar10, downloads: Path) -> RawImages:
    """Return CIFAR-10 with its official split. Raises DataError where a file is missing or not the published one."""
    folder = Path(entry.folder) if entry.folder else _download(downloads)
    places = [folder, folder / "cifar-10-batches-py", folder / "cifar-10-batches-bin"]
    for place in places:
        if (place / "data_batch_1.bin").is_file():
            batches = {name[: -len(".bin")]: _binary(_checked(place / name, md5)) for name, md5 in BINARY_MD5.items()}
            return _joined(batches, "CIFAR-10 binary version")
        if (place / "data_batch_1").is_file():
            batches = {name: _python(_checked(place / name, md5)) for name, md5 in PYTHON_MD5.items()}
            return _joined(batches, "CIFAR-10 python version")
    raise DataError(
        f"{folder}: holds neither data_batch_1 (python version) nor data_batch_1.bin (binary version); give the folder "
        "with CIFAR-10's six batch files"
    )


def _checked(path: Path, md5: str) -> bytes:
    try:
        content = foreign.read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); CIFAR-10 has six batch files") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{path}: is not CIFAR-10's published file ({len(content):,} bytes, md5 {found}; "
            f"expected {md5}); fetch it again"
        )
    return content


def _binary(content: bytes) -> tuple[Images, Labels]:
    """10,000 records of one label byte and 3,072 pixel bytes, channel by channel."""
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return _channels_last(records[:, 1:]), records[:, 0].astype(np.int64)


def _python(content: bytes) -> tuple[Images, Labels]:
    # a pickle, and loaded only because its md5 is the published one
    batch: dict[bytes, Any] = pickle.loads(content, encoding="bytes")
    return _channels_last(np.asarray(batch[b"data"], np.uint8)), np.asarray(batch[b"labels"], np.int64)


def _channels_last(flat: Images) -> Images:
    return np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _joined(batches: dict[str, tuple[Images, Labels]], version: str) -> RawImages:
    return RawImages(
        np.concatenate([batches[name][0] for name in TRAIN]),
        np.concatenate([batches[name][1] for name in TRAIN]),
        *batches["test_batch"],
        CLASSES,
        version,
    )


def _download(downloads: Path) -> Path:
    from torchvision.datasets import CIFAR10

    if not (downloads / "cifar-10-batches-py" / "test_batch").exists():
        fetch("cifar10", lambda: CIFAR10(str(downloads), download=True))
    return downloads

"""Fuzzing of the readers of raw image files: any bytes are what they should be, or one line that names the file."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.errors import DataError
from autoshrink.params.data import Cifar10
from autoshrink.tasks.vision import cifar, idx

FUZZED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAME = "train-images-idx3-ubyte"


@st.composite
def idx_files(draw: st.DrawFn) -> bytes:
    """An idx file of bytes, whole or with a header that lies, cut, or with a bit flipped; perhaps gzipped."""
    shape = draw(st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5))
    head = bytes([0, 0, draw(st.sampled_from([8, 9, 13])), len(shape)])
    content = head + b"".join(struct.pack(">I", size) for size in shape) + draw(st.binary(max_size=40))
    content = gzip.compress(content) if draw(st.booleans()) else content
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@FUZZED
@given(content=st.binary(max_size=64) | idx_files(), suffix=st.sampled_from(["", ".gz"]))
def test_any_bytes_are_an_idx_array_or_one_line(content: bytes, suffix: str, tmp_path: Path) -> None:
    """A header that lies about its sizes asks for no memory, and a damaged gzip stream ends in the same line."""
    for other in ("", ".gz"):
        (tmp_path / f"{NAME}{other}").unlink(missing_ok=True)
    (tmp_path / f"{NAME}{suffix}").write_bytes(content)
    try:
        found = idx._read(tmp_path, NAME)
    except DataError as error:
        assert NAME in str(error) and "\n" not in str(error)
    else:
        assert found.dtype == np.uint8


@FUZZED
@given(
    values=st.lists(st.integers(0, 255), min_size=1, max_size=24),
    gzipped=st.booleans(),
    columns=st.integers(1, 4),
)
def test_whole_idx_files_read_back(values: list[int], gzipped: bool, columns: int, tmp_path: Path) -> None:
    """What LeCun's format says is what is read, gzipped or not."""
    values = values[: len(values) // columns * columns] or [0] * columns
    array = np.array(values, np.uint8).reshape(-1, columns)
    content = b"\0\0\x08\x02" + struct.pack(">II", *array.shape) + array.tobytes()
    for other in ("", ".gz"):
        (tmp_path / f"{NAME}{other}").unlink(missing_ok=True)
    (tmp_path / f"{NAME}{'.gz' * gzipped}").write_bytes(gzip.compress(content) if gzipped else content)
    assert np.array_equal(idx._read(tmp_path, NAME), array)


@FUZZED
@given(content=st.binary(max_size=200), version=st.sampled_from(["data_batch_1", "data_batch_1.bin"]))
def test_any_bytes_are_no_cifar_batch_and_never_unpickled(content: bytes, version: str, tmp_path: Path) -> None:
    """What does not have the published md5 is named and not looked into, in either version."""
    for other in ("data_batch_1", "data_batch_1.bin"):
        (tmp_path / other).unlink(missing_ok=True)
    (tmp_path / version).write_bytes(content)
    with pytest.raises(DataError, match=f"{version}: is not CIFAR-10's published file") as caught:
        cifar.cifar10(Cifar10(source="cifar10", folder=str(tmp_path)), tmp_path)
    assert "\n" not in str(caught.value)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_binary_batches_read_back(
    labels: list[int], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label byte, then red, green and blue planes: pixels (N, H, W, C) come out where they were put."""
    images_NHWC = np.random.default_rng(seed).integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    content = b"".join(
        bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(labels, images_NHWC, strict=True)
    )
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(cifar, "BINARY_MD5", dict.fromkeys(cifar.BINARY_MD5, digest))
    for name in cifar.BINARY_MD5:
        (tmp_path / name).write_bytes(content)
    raw = cifar.cifar10(Cifar10(source="cifar10", folder=str(tmp_path)), tmp_path)
    assert any(np.array_equal(part, images_NHWC) for part in vars(raw).values() if getattr(part, "ndim", 0) == 4)

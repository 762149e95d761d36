"""A model whose files are damaged, foreign or useless is refused in one line before it predicts anything."""

import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.vision import ImageNetwork
from autoshrink.records.model import DESCRIPTION, WEIGHTS
from autoshrink.tasks import models
from autoshrink.tasks.vision.records import ImageModel, ImageOrigin

DESCRIBED = ImageModel(
    task=Task.CNN,
    cell=Cell.of(["conv_1x1"], [(0, 1)]),
    network=ImageNetwork(),
    origin=ImageOrigin(dataset="a", dataset_digest="b", source="digits", seed=1, recipe={}, storage="array"),
    channels=1,
    classes=("0", "1"),
    mean=(0.5,),
    deviation=(0.5,),
    image_size=(8, 8),
    evaluation_crop=1.0,
)


def written(folder: Path, content: bytes, **description: Any) -> Path:
    """Write these bytes as weights, vouched for by a sealed description."""
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(content)
    values = {**DESCRIBED.to_json(), "weights_sha256": artifacts.digest_of_file(folder / WEIGHTS), **description}
    kept = {key: value for key, value in values.items() if value is not None}
    artifacts.write_sealed(folder / DESCRIPTION, ImageModel.KIND, ImageModel.VERSION, kept)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        models.weights(folder, ImageModel.of(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


GOOD = safetensors.torch.save({"weight": torch.ones(3)})


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def test_whole_weights_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path, GOOD)
    assert models.weights(folder, ImageModel.of(folder))["weight"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no safetensors file"),
        (b"no header at all", "is no safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "is no safetensors file"),
        (header(b"[]"), "is no safetensors file"),
        (header(b"{" * 100), "is no safetensors file"),
        (header(b'{"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}') + bytes(4), "is no safetensors"),
        (header(b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}') + bytes(4), "is no safetensors"),
        (GOOD[:-4], "is no safetensors file"),
        (safetensors.torch.save({"weight": torch.ones(3, dtype=torch.float16)}), "weight is float16; .* float32"),
        (safetensors.torch.save({"weight": torch.ones(3, dtype=torch.float64)}), "weight is float64; .* float32"),
        (safetensors.torch.save({"weight": torch.tensor([1.0, torch.nan])}), "weight holds NaN or infinite"),
        (safetensors.torch.save({"weight": torch.tensor([1.0, torch.inf])}), "weight holds NaN or infinite"),
    ],
)
def test_weights_of_no_use_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """Also where the description vouches for them."""
    import re

    assert re.search(why, refusal(written(tmp_path, content)))


def test_a_description_without_what_it_must_hold_is_refused(tmp_path: Path) -> None:
    assert "holds no weights_sha256" in refusal(written(tmp_path / "a", GOOD, weights_sha256=None))
    assert "is a model for None" in refusal(written(tmp_path / "b", GOOD, task=None))
    assert "is a model for 'rnn'" in refusal(written(tmp_path / "c", GOOD, task="rnn"))


def test_missing_and_altered_weights_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, GOOD)
    (folder / WEIGHTS).write_bytes(GOOD[:-1] + b"\1")
    assert "altered" in refusal(folder)
    (folder / WEIGHTS).unlink()
    assert "cannot be read" in refusal(folder)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64) | st.binary(max_size=64).map(header) | st.binary(max_size=8).map(lambda end: GOOD + end))
def test_any_bytes_end_in_weights_or_one_line(tmp_path_factory: Any, content: bytes) -> None:
    folder = written(tmp_path_factory.mktemp("model"), content)
    try:
        models.weights(folder, ImageModel.of(folder))
    except ArtifactError as error:
        assert "\n" not in str(error)

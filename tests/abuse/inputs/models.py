"""Bad models: weights and descriptions."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image

from autoshrink.files import artifacts
from tests.abuse.inputs.cases import Case, Make
from tests.abuse.inputs.cells import described


def model(weights: bytes, **description: Any) -> Make:
    """Return the mistake of predicting by a model with these weights, vouched for."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_bytes(weights)
        digest = artifacts.digest_of_file(folder / "model" / "model.safetensors")
        values = {"task": "cnn", "weights_sha256": digest, **_DESCRIPTION, **description}
        kept = {key: value for key, value in values.items() if value is not ...}
        artifacts.write_sealed(folder / "model" / "model.json", "model", 1, kept)
        Image.new("RGB", (8, 8)).save(folder / "image.png")
        return ["predict", "model", "image.png"]

    return make


_DESCRIPTION: dict[str, Any] = {
    "cell": described(["conv_1x1"], [(0, 1)]),
    "network": {},
    "channels": 1,
    "classes": ["a", "b"],
    "mean": [0.5],
    "deviation": [0.5],
    "image_size": [8, 8],
    "evaluation_crop": 1.0,
    "origin": {
        "dataset": "digits",
        "dataset_digest": "0" * 64,
        "storage": "array",
        "recipe": {},
        "source": "digits",
        "seed": 1,
    },
}


def models() -> Iterator[tuple[str, Case]]:
    """Weights with bad headers, of other types and values; descriptions that lack or contradict something."""
    good = safetensors.torch.save({"weight": torch.ones(3)})

    def header(text: bytes, body: bytes = b"") -> bytes:
        return struct.pack("<Q", len(text)) + text + body

    weights: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "is no safetensors file"),
        "text": (b"hello", "is no safetensors file"),
        "a huge header": (struct.pack("<Q", 2**60) + b"{}", "is no safetensors file"),
        "a list for a header": (header(b"[]"), "is no safetensors file"),
        "deep brackets": (header(b"[" * 10_000), "is no safetensors file"),
        "an unknown type": (
            header(b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
            "is no safetensors file",
        ),
        "a wrong shape": (
            header(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', bytes(4)),
            "is no safetensors file",
        ),
        "half": (good[:-4], "is no safetensors file"),
        "a pickle": (b"\x80\x04cos\nsystem\n", "is no safetensors file"),
        "another network's": (good, "does not fit model\\.json"),
        "float16": (safetensors.torch.save({"weight": torch.ones(3).half()}), "is float16"),
        "bfloat16": (safetensors.torch.save({"weight": torch.ones(3).bfloat16()}), "is bfloat16"),
        "float64": (safetensors.torch.save({"weight": torch.ones(3).double()}), "is float64"),
        "NaN": (safetensors.torch.save({"weight": torch.tensor([torch.nan])}), "NaN or infinite"),
        "infinity": (safetensors.torch.save({"weight": torch.tensor([torch.inf])}), "NaN or infinite"),
    }
    for name, (content, says) in weights.items():
        yield f"weights: {name}", Case(model(content), says)
    for key in ("cell", "network", "channels", "classes", "mean", "image_size", "origin"):
        yield f"model without {key}", Case(model(good, **{key: ...}), "model\\.json")
    yield "model without its digest", Case(model(good, weights_sha256=...), "holds no weights_sha256")
    yield "model of another digest", Case(model(good, weights_sha256="0" * 64), "missing or altered")
    yield "model without a task", Case(model(good, task=...), "task")
    yield "model of an unknown task", Case(model(good, task="gan"), "task")
    yield "model with an unknown key", Case(model(good, network={"magic": 1}), r"network\.magic")
    yield "no model", Case(lambda folder: ["predict", ".", "."], "holds no trained model")
    yield "nothing to predict", Case(lambda folder: ["predict", ".", "nothing.png"], "there is no such file or folder")

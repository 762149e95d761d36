"""The released cells in their own networks leave as ONNX like any other."""

from pathlib import Path
from typing import Any

import pytest
import torch

from autoshrink.cells import released
from autoshrink.export import formats
from autoshrink.files import artifacts
from autoshrink.inference.models import find
from autoshrink.params.base import Task
from autoshrink.tasks import models
from autoshrink.tasks.deployment import Inputs
from autoshrink.tasks.language import network as text_network
from autoshrink.tasks.language.records import TextModel, TextOrigin
from autoshrink.tasks.vision import network as image_network
from autoshrink.tasks.vision.records import ImageModel, ImageOrigin


def save(name: str, folder: Path) -> list[Inputs]:
    """Save the released network with weights drawn by name, and return inputs of two batch sizes."""
    found: Any = released.load(name)
    origin: dict[str, Any] = {"dataset": "none", "dataset_digest": "", "source": "none", "seed": 1, "recipe": {}}
    if name == "shrinkrnn":
        words = tuple(str(index) for index in range(found.example["vocabulary"]))
        model = text_network.build(found.cell, found.network, words, 1)
        about = TextOrigin(**origin, lowercase=False)
        described = TextModel(task=Task.RNN, cell=found.cell, network=found.network, words=words, origin=about)
        models.save(folder, text_network.parameters(model), described)
        hidden = found.network.hidden
        return [(torch.randint(0, len(words), (4, size)), 0.1 * torch.randn(size, hidden)) for size in (2, 1)]
    classes = tuple(str(index) for index in range(found.example["classes"]))
    module = image_network.build(found.cell, found.network, 3, len(classes), 1)
    settle(module)
    description = ImageModel(
        task=Task.CNN,
        cell=found.cell,
        network=found.network,
        origin=ImageOrigin(**origin, storage="files"),
        channels=3,
        classes=classes,
        mean=(0.5,) * 3,
        deviation=(0.5,) * 3,
        image_size=(224, 224),
        evaluation_crop=0.875,
    )
    models.save(folder, module.state_dict(), description)
    return [(torch.rand(size, 3, 224, 224),) for size in (2, 1)]


def settle(module: torch.nn.Module) -> None:
    """Let batch norm see a few images: without, an untrained network of 36 layers gives outputs of no sensible size."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the plain average of what it sees
    with torch.no_grad():
        module.train()(torch.randn(4, 3, 224, 224))
    module.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shrinkcnn-b", "shrinkrnn"])
def test_released_cell_equals_pytorch(name: str, tmp_path: Path) -> None:
    """ShrinkCNN (its 1,000 classes without the background) and ShrinkRNN as ONNX are within 1e-4 of PyTorch."""
    inputs = save(name, tmp_path / "model")
    written = formats.write(find(tmp_path / "model"), "onnx", inputs, tmp_path)
    assert written.difference <= formats.TOLERANCE
    assert artifacts.digest_of_file(written.path)

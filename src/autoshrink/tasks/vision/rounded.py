"""Quantisation-aware fine-tuning: a trained classifier trains on while its numbers are rounded as in int8.

B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR
2018, section 3, with torch's fake quantisation. Rounded are what an int8 model rounds: each layer's weights, with a
scale per output channel, and what it reads. Batch norm is not folded meanwhile: it scales output channels alone, and a
scale per channel follows it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from torch.nn.utils import parametrize

from autoshrink.files.artifacts import Json
from autoshrink.params.base import Task
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime.processes import Share
from autoshrink.tasks import models
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.records import ImageModel
from autoshrink.tasks.vision.training import ImageLearner
from autoshrink.training.events import Progress
from autoshrink.training.loop import Loop

RATE = 0.1
"""The learning rate, as a share of the training's."""
_READ = "rounded_input"
_ADDED = (f".{_READ}.", ".parametrizations.weight.0.")


def fine_tune(folder: Path, data: PreparedImages, epochs: int, out: Path, progress: Progress) -> None:
    """Train the model in ``folder`` on for so many epochs, on the CPU, and write it into ``out`` as a model of its own,
    with checkpoints that the same call goes on from.

    By its own recipe and data, at a tenth of the learning rate, without warm-up, growth and averaging; the epoch whose
    rounded network does best on the images held out is kept. Raises DivergedError where the training diverges.
    """
    learner = RoundedLearner(folder, data, epochs)
    Loop(learner, Task.CNN, out, torch.device("cpu"), Share(), progress).run()


class RoundedLearner(ImageLearner):
    """A trained classifier whose convolutions and linear layers round their weights and what they read."""

    def __init__(self, folder: Path, data: PreparedImages, epochs: int) -> None:
        description = ImageModel.of(folder)
        recipe = ImageTraining.model_validate_json(json.dumps(dict(description.origin.recipe)))
        changes: Json = {
            "network": description.network,
            "epochs": epochs,
            "learning_rate": RATE * recipe.learning_rate,
            "warmup_epochs": 0.0,
            "growth": None,
            "patience": None,
            "ema_decay": 0.0,
            "loader_workers": 0,
        }
        own = recipe.model_copy(update=changes)
        super().__init__(description.cell, own, data, description.origin.seed, torch.device("cpu"), Share())
        self.identity = {**self.identity, "tuned_weights_sha256": description.weights_sha256}
        self.module.load_state_dict(models.weights(folder, description))
        for layer in list(self.module.modules()):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                _round(layer)

    def save(self, folder: Path) -> None:
        """Write the weights as they are before they are rounded: an export rounds them again."""
        models.save(folder, plain(self.module.state_dict()), self.description)


def plain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the network without rounding."""
    return {
        name.replace(".parametrizations.weight.original", ".weight"): tensor
        for name, tensor in weights.items()
        if not any(added in name for added in _ADDED)
    }


def _round(layer: nn.Conv2d | nn.Linear) -> None:
    # as onnxruntime quantises: weights symmetric per channel by what they are now, inputs by their range so far
    weight = FakeQuantize(  # type: ignore[no-untyped-call]
        MovingAveragePerChannelMinMaxObserver,
        quant_min=-127,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        averaging_constant=1.0,
    )
    read = FakeQuantize(  # type: ignore[no-untyped-call]
        MovingAverageMinMaxObserver,
        quant_min=-128,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_tensor_affine,
        averaging_constant=0.05,
    )
    parametrize.register_parametrization(layer, "weight", weight)
    layer.add_module(_READ, read)

    def rounded(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        read.enable_observer(module.training)
        return (read(given[0]), *given[1:])

    layer.register_forward_pre_hook(rounded)

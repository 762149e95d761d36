"""Modules as exported: an image classifier on raw pixels, a language model over whole sequences.

Shapes: B batch, C channels, H height, W width, K classes; T time steps, E embedding width, N hidden width, V words.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoshrink.tasks.language.cell import RecurrentCell
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.vision.network import CellNetwork


class ImageClassifier(nn.Module):
    """Pixels in [0, 1] (B, C, H, W) to the classes' logits (B, K): normalises by itself, drops the background class."""

    mean_C11: Tensor
    deviation_C11: Tensor

    def __init__(
        self, network: CellNetwork, mean: Sequence[float], deviation: Sequence[float], background_class: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.first = int(background_class)
        self.register_buffer("mean_C11", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation_C11", torch.tensor(deviation)[:, None, None])

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Return the classes' logits."""
        logits_BN: Tensor = self.network((pixels_BCHW - self.mean_C11) / self.deviation_C11)
        return logits_BN[:, self.first :]


class Step(nn.Module):
    """One time step of a language model: embedded words (B, E) and state (B, N) to the next state."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        assert isinstance(model.layer, RecurrentCell), "an export is of a found cell"
        self.layer: RecurrentCell = model.layer

    def forward(self, x_BE: Tensor, state_BN: Tensor) -> Tensor:
        """Return the next state."""
        return self.layer.step(x_BE, state_BN)


class ScannedModel(nn.Module):
    """Tokens (T, B) and state (B, N) to logits (T, B, V) and next state; exported, the loop over time stays a loop."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.embedding, self.step, self.decoder = model.embedding, Step(model), model.decoder

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each next word and the state after the last."""
        from torch._higher_order_ops import scan

        def step(state_BN: Tensor, x_BE: Tensor) -> tuple[Tensor, Tensor]:
            state_BN = self.step(x_BE, state_BN)
            return state_BN, state_BN.clone()  # a scan's carry and output must not be one tensor

        state_BN, outputs_TBN = scan(step, state_BN, self.embedding(tokens_TB))
        logits_TBV: Tensor = self.decoder(outputs_TBN)
        return logits_TBV, state_BN


class LoopedModel(nn.Module):
    """The same as ScannedModel, written in what TorchScript compiles; ``step`` is a traced ``Step``."""

    def __init__(self, model: LanguageModel, step: nn.Module) -> None:
        super().__init__()
        self.embedding, self.step, self.decoder = model.embedding, step, model.decoder

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each next word and the state after the last."""
        x_TBE = self.embedding(tokens_TB)
        outputs: list[Tensor] = []
        for x_BE in x_TBE.unbind(0):
            state_BN = self.step(x_BE, state_BN)
            outputs.append(state_BN)
        return self.decoder(torch.stack(outputs)), state_BN

"""What a language model costs per word.

Shapes: B batch, N hidden width.
"""

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.params.language import LanguageNetwork
from autoshrink.tasks.language.network import LanguageModel, skeleton


def measure(cell: Cell, network: LanguageNetwork, vocabulary: int) -> dict[str, int]:
    """Return parameters (tied weights once) and multiply-accumulates of predicting one word, decoder included.

    Counted on the plain step, whose matrix products are exactly those of the equations. Keys as ``cost.measure`` has
    them.
    """
    example = [torch.zeros(1, dtype=torch.long), torch.zeros(1, network.hidden)]
    # a skeleton, because moving a real model to the meta device would untie its weights
    return counting.measure(Step(skeleton(cell, network, vocabulary)), example)


class Step(nn.Module):
    """A model whose forward is one step."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens_B: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next word's logits and the next state."""
        return self.model.step(tokens_B, state_BN)

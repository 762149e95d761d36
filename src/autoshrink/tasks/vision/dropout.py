"""Dropout with named masks, independent of other draws in the process.

torch's own dropout draws from a generator that all of a process's candidates, and all their CUDA graphs, would share.

Shapes: S steps, B batch, F features.
"""

import torch
from torch import Tensor, nn

from autoshrink.runtime import seeds


class NamedDropout(nn.Module):
    """Dropout in the place of a network's own: while training it applies the mask that ``choose`` put in place."""

    kept_SBF: Tensor
    mask_BF: Tensor

    def __init__(self, probability: float, steps: int, batch: int, features: int, device: torch.device) -> None:
        super().__init__()
        self._probability = probability
        self.register_buffer(
            "kept_SBF", torch.ones(steps, batch, features, dtype=torch.bool, device=device), persistent=False
        )
        self.register_buffer("mask_BF", torch.ones(batch, features, device=device), persistent=False)

    def draw(self, seed: int, name: str) -> None:
        """Draw all steps' masks under ``name``, on the device."""
        device = self.kept_SBF.device
        generator = seeds.torch_generator(seed, name, device)
        for kept_BF in self.kept_SBF:
            torch.ge(torch.rand(kept_BF.shape, generator=generator, device=device), self._probability, out=kept_BF)

    def choose(self, step: Tensor) -> None:
        """Put the mask of ``step``, a number (1,) on the device, in place; nothing waits."""
        self.mask_BF.copy_(self.kept_SBF.index_select(0, step)[0]).div_(1.0 - self._probability)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return the features, some of them zero and the others scaled up while training."""
        return x_BF * self.mask_BF.to(x_BF.dtype) if self.training else x_BF

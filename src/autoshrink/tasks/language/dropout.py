"""Variational dropout (Gal and Ghahramani 2016): named masks, one per sequence, shared by its time steps.

Shapes: B batch, E embedding width, N hidden width, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from autoshrink.params.language import Dropouts, LanguageNetwork
from autoshrink.runtime import seeds


@dataclass(frozen=True)
class Masks:
    """What the activations of one sequence are multiplied by, already scaled by 1 / (1 - p); None where p is 0."""

    words_V1: Tensor | None = None
    embedding_BE: Tensor | None = None
    input_BE: Tensor | None = None
    hidden_BN: Tensor | None = None
    output_BN: Tensor | None = None

    def of_columns(self, columns: slice) -> "Masks":
        """Return the masks of some of the batch's columns."""
        batched = (self.embedding_BE, self.input_BE, self.hidden_BN, self.output_BN)
        return Masks(self.words_V1, *(None if mask is None else mask[columns] for mask in batched))


NONE = Masks()


def draw(
    dropouts: Dropouts,
    network: LanguageNetwork,
    vocabulary: int,
    batch: int,
    seed: int,
    name: str,
    device: torch.device,
) -> Masks:
    """Return the masks of the sequence called ``name``; each depends on the seed and its own name alone.

    They are drawn on the device: bringing them there would make the host wait five times a step.
    """

    def mask(kind: str, probability: float, *shape: int) -> Tensor | None:
        if not probability:
            return None
        generator = seeds.torch_generator(seed, f"{name}/dropout/{kind}", device)
        kept = torch.rand(shape, generator=generator, device=device) >= probability
        return kept.float() / (1.0 - probability)

    return Masks(
        words_V1=mask("words", dropouts.words, vocabulary, 1),
        embedding_BE=mask("embedding", dropouts.embedding, batch, network.embedding),
        input_BE=mask("input", dropouts.input, batch, network.embedding),
        hidden_BN=mask("hidden", dropouts.hidden, batch, network.hidden),
        output_BN=mask("output", dropouts.output, batch, network.hidden),
    )

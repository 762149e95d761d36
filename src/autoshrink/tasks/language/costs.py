"""Costs of a language model per word.

Shapes: B batch, S width of the state.
"""

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body
from autoshrink.costs import counting
from autoshrink.params.language import LanguageNetwork
from autoshrink.tasks.language.network import LanguageModel, skeleton


def measure(cell: Body, network: LanguageNetwork, vocabulary: int) -> dict[str, int]:
    """Return parameters (tied weights once) and multiply-accumulates of predicting one word, decoder included.

    Counted on the plain step, whose matrix products are exactly those of the equations. Keys as ``cost.measure`` has
    them.
    """
    # a skeleton, because moving a real model to the meta device would untie its weights
    return counting.measure(*example(skeleton(cell, network, vocabulary)))


def example(model: LanguageModel) -> "tuple[Step, list[Tensor]]":
    """Return a model's step, and a word with the state before it."""
    return Step(model), [torch.zeros(1, dtype=torch.long), torch.zeros(1, model.layer.state_width)]


def by_part(cell: Body, network: LanguageNetwork, vocabulary: int) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return what ``measure`` counts, in all and by the network's parts."""
    module = skeleton(cell, network, vocabulary)
    module.forward = module.step  # type: ignore[method-assign, assignment]  # one word, in plain operations
    inputs = example(module)[1]
    total, parts = counting.measure_with_parts(module, inputs)
    for key in ("macs", "macs_with_batch_norm"):
        # one step of the layer is no call of a module, so the counter has it only in the sum
        parts["layer"][key] = total[key] - sum(counts[key] for name, counts in parts.items() if name != "layer")
    if network.tied:
        # the weights are the embedding's, and are counted there
        for key in ("parameters", "parameters_with_batch_norm"):
            parts["decoder"][key] = vocabulary
    return total, parts


class Step(nn.Module):
    """A model whose forward is one step."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens_B: Tensor, state_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next word's logits and the next state."""
        return self.model.step(tokens_B, state_BS)

"""Zero-cost measures of language models.

Shapes: B batch, L length of a sequence, V vocabulary.
"""

import torch
from torch import nn

from autoshrink.cells.cell import Cell
from autoshrink.params.language import LanguageProxy
from autoshrink.tasks import zero_cost
from autoshrink.tasks.language import costs as language_costs
from autoshrink.tasks.language import network, sequences
from autoshrink.tasks.language.proxy import ProxyData


def rank(
    cell: Cell, proxy: LanguageProxy, data: ProxyData, seed: int, device: torch.device
) -> tuple[float, dict[str, int]]:
    """Return the gradient's norm of the network that training would start from, and the network's costs."""
    costs = language_costs.measure(cell, proxy.network, len(data.words))
    module = network.build(cell, proxy.network, data.words, seed).to(device)
    module.tie()
    recipe = proxy.training
    train_LB = sequences.columns(data.train, recipe.batch_size, device, "proxy.rnn.train_lines")
    words_LB = train_LB[: recipe.bptt.length + 1]
    logits_LBV, _ = module(words_LB[:-1], module.initial_state(recipe.batch_size))
    loss = nn.functional.cross_entropy(logits_LBV.flatten(0, 1), words_LB[1:].flatten())
    return zero_cost.gradient_norm(module, loss), costs

"""Batch running text as columns, cut it into sequences, and compute a model's loss on them.

Shapes: L length of a column, T time steps of a sequence, S = T + 1, M = T B, B batch, N hidden width, V vocabulary.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoshrink.errors import DataError
from autoshrink.params.language import BackpropagationThroughTime
from autoshrink.runtime import seeds
from autoshrink.tasks.language import decoding, dropout
from autoshrink.tasks.language.data import Tokens
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.training.history import finite


def columns(tokens: Tokens, batch: int, device: torch.device, what: str) -> Tensor:
    """Return the text as ``batch`` equally long columns (L, B) of int64; what does not fill a row is left out.

    Raises DataError, naming ``what``, where a column would be shorter than two words.
    """
    length = len(tokens) // batch
    if length < 2:
        raise DataError(
            f"{what}: {len(tokens)} tokens do not fill {batch} columns of two; lower the batch size or give more text"
        )
    tokens_BL = torch.from_numpy(tokens[: length * batch].astype(np.int64)).view(batch, length)
    return tokens_BL.t().contiguous().to(device)


@dataclass(frozen=True)
class Cut:
    """One of an epoch's sequences."""

    length: int
    """Words to predict."""
    rate_length: int
    """The length that scales its step's learning rate, over ``bptt.length``."""


def cuts(total: int, bptt: BackpropagationThroughTime, seed: int, name: str) -> list[Cut]:
    """Return an epoch's sequences.

    Their lengths sum to ``total`` - 1, for the first word is not predicted, or to one less where a last sequence would
    be one word, which is not trained on (as released).

    Each sequence draws its own under ``name`` and its number (Merity et al. 2018, section 4.1): the base length or,
    rarely, half of it, then normal around it, within bounds.
    """
    result: list[Cut] = []
    left = total - 1
    while left > 1 or not result:
        generator = seeds.numpy_generator(seed, f"{name}/step/{len(result)}/bptt")
        half = generator.random() < bptt.half_probability
        length = float(generator.normal(bptt.length / 2 if half else bptt.length, bptt.deviation))
        bounded = min(max(int(length), bptt.shortest), bptt.length + bptt.excess)
        words = min(bounded, left)
        result.append(Cut(words, words if bptt.scale_last else bounded))
        left -= words
    return result


@dataclass(frozen=True)
class Loss:
    """What a sequence costs a model."""

    objective: Tensor
    """Scalar to minimise: cross-entropy plus regularisation."""
    cross_entropy: Tensor
    """Mean over the sequence's words, nats; detached."""
    state_BN: Tensor
    """The state after the sequence, detached."""


def loss(
    model: LanguageModel,
    words_SB: Tensor,
    state_BN: Tensor,
    masks: dropout.Masks = dropout.NONE,
    activation_regularisation: float = 0.0,
    temporal_activation_regularisation: float = 0.0,
) -> Loss:
    """Return what predicting all words but the first of every column costs (Merity et al. 2018, section 4.6).

    ``words_SB`` are a sequence's rows of the text and the one before them. AR penalises the mean square of the
    dropped-out output, TAR that of the raw output's change over time.
    """
    outputs_TBN, after_BN = model.run(words_SB[:-1], state_BN, masks)
    dropped_TBN = outputs_TBN if masks.output_BN is None else outputs_TBN * masks.output_BN
    objective = decoding.cross_entropy(
        dropped_TBN.flatten(0, 1), model.decoder.weight, model.decoder.bias, words_SB[1:].flatten()
    )
    cross_entropy = objective.detach()
    if activation_regularisation:
        objective = objective + activation_regularisation * dropped_TBN.square().mean()
    if temporal_activation_regularisation and len(outputs_TBN) > 1:
        change_TBN = outputs_TBN[1:] - outputs_TBN[:-1]
        objective = objective + temporal_activation_regularisation * change_TBN.square().mean()
    return Loss(objective, cross_entropy, after_BN.detach())


@torch.no_grad()
def mean_loss(model: LanguageModel, text_LB: Tensor, length: int) -> float:
    """Return the mean cross-entropy (nats per word) over a whole text, the state carried through it; no dropout."""
    state_BN = model.initial_state(text_LB.shape[1])
    total = torch.zeros((), dtype=torch.float64, device=text_LB.device)
    words = len(text_LB) - 1
    for start in range(0, words, length):
        end = min(start + length, words)
        part = loss(model, text_LB[start : end + 1], state_BN)
        total += part.cross_entropy.double() * (end - start)
        state_BN = part.state_BN
    return float(total) / words


@torch.no_grad()
def log_probabilities(model: LanguageModel, text_LB: Tensor, length: int) -> Tensor:
    """Return (L - 1, B): the logarithm of each word's probability, the state carried through the text; no dropout."""
    state_BN = model.initial_state(text_LB.shape[1])
    found: list[Tensor] = []
    for start in range(0, len(text_LB) - 1, length):
        words_SB = text_LB[start : start + length + 1]
        logits_TBV, state_BN = model(words_SB[:-1], state_BN)
        targets_TB1 = words_SB[1:, :, None]
        found.append(logits_TBV.log_softmax(2).gather(2, targets_TB1)[..., 0])
    return torch.cat(found)


def perplexity(loss: float) -> float | None:
    """Return exp(loss), or None where it is no finite number."""
    return finite(math.exp(loss)) if loss < 700.0 else None

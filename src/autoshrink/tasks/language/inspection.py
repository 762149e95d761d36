"""Sample predictions of a language model on the test split: contexts and the likeliest next words.

Shapes: L length of a column, B batch, V vocabulary.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from autoshrink.records.predictions import ExpectedWord, TextPredictions, TextSample
from autoshrink.tasks.language.network import LanguageModel

SAMPLES, CONTEXT, LIKELIEST = 8, 16, 5
# words at a text's start: beyond, the state differs too little from a longer history's to matter for a sample
_STEPS = 512


@torch.no_grad()
def predictions(model: LanguageModel, text_LB: Tensor, words: Sequence[str]) -> TextPredictions:
    """Return what ``model`` expects at places spread evenly over the start of the first column."""
    column_L1 = text_LB[:_STEPS, :1]
    logits, _ = model(column_L1[:-1], model.initial_state(1))
    probabilities_LV = logits[:, 0].float().softmax(dim=1)
    every = max(1, len(probabilities_LV) // SAMPLES)
    tokens = column_L1[:, 0].tolist()
    samples = []
    for place in list(range(every - 1, len(probabilities_LV), every))[:SAMPLES]:
        best = probabilities_LV[place].topk(min(LIKELIEST, len(words)))
        truth = tokens[place + 1]
        samples.append(
            TextSample(
                context=tuple(words[token] for token in tokens[max(0, place + 1 - CONTEXT) : place + 1]),
                truth=words[truth],
                probability=round(float(probabilities_LV[place, truth]), 4),
                expected=tuple(
                    ExpectedWord(word=words[index], probability=round(value, 4))
                    for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ),
            )
        )
    return TextPredictions(samples=tuple(samples))

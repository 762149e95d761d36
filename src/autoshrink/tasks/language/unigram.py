"""The unigram baseline: word frequencies alone."""

import numpy as np

from autoshrink.tasks.language.data import Tokens


def perplexity(train: Tokens, text: Tokens, vocabulary: int) -> float:
    """Return the perplexity on ``text`` of word frequencies counted in ``train``, one added to every word's count.

    The one added keeps words of a closed vocabulary that the training text lacks from having no probability at all.
    """
    counts = np.bincount(train, minlength=vocabulary) + 1.0
    return float(np.exp(-np.log(counts / counts.sum())[text].mean()))

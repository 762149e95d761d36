"""Score the user's own text with a trained language model, and predict the next word.

Shapes: L length of a column, B batch, N hidden width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoshrink.errors import DataError
from autoshrink.files.artifacts import Json
from autoshrink.tasks.deployment import Prediction
from autoshrink.tasks.language import loading, sequences
from autoshrink.tasks.language.data import Tokens
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.language.records import TextModel, TextOrigin
from autoshrink.tasks.language.text import END_OF_LINE, UNKNOWN, Line, read_lines, read_prose, sentences
from autoshrink.training.history import finite


@dataclass(frozen=True)
class TextPrediction(Prediction):
    """A model's perplexity on a text, and the next word."""

    words: int
    """Words of the text, ``<eos>`` of each line included."""
    unknown: int
    """How many of them the model does not know; to it they are ``<unk>``."""
    loss: float | None
    """Mean nats per word; None where it is no finite number."""
    perplexity: float | None
    """exp(loss)."""
    following: tuple[tuple[str, float], ...]
    """The likeliest next words after the text's last, each with its probability, the likeliest first."""

    def to_json(self) -> Json:
        """Return all fields."""
        following = [{"word": word, "probability": value} for word, value in self.following]
        facts = {"words": self.words, "unknown": self.unknown, "loss": self.loss, "perplexity": self.perplexity}
        return {**facts, "following": following}

    def text(self) -> str:
        """Return the perplexity and the likeliest next words, a line each."""
        perplexity = "not finite" if self.perplexity is None else f"{self.perplexity:.2f}"
        following = ", ".join(f"{word} {100 * value:.1f} %" for word, value in self.following)
        return (
            f"perplexity {perplexity} over {self.words} words, {self.unknown} of them unknown to the model\n"
            f"likeliest next words: {following}"
        )


def predict(folder: Path, path: Path, count: int) -> TextPrediction:
    """Return the model's perplexity on the text file ``path`` and the ``count`` likeliest words after its end.

    The text is read as the data set the model was trained on was. Raises DataError where it is no text, or has words
    that a model of a closed vocabulary does not know.
    """
    description = TextModel.of(folder)
    tokens, unknown = encode(read(description.origin, path), description.words, path)
    model = loading.load_model(folder)
    text_LB = sequences.columns(tokens, 1, torch.device("cpu"), str(path))
    loss = sequences.mean_loss(model, text_LB, description.origin.training.bptt.length)
    probabilities_V = _after(model, text_LB[:-1])  # the last line's <eos> is the file's end, not the sentence's
    best = probabilities_V.topk(min(count, len(description.words)))
    return TextPrediction(
        len(tokens),
        unknown,
        finite(loss),
        sequences.perplexity(loss),
        tuple(
            (description.words[index], value)
            for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ),
    )


def read(origin: TextOrigin, path: Path) -> list[Line]:
    """Return the text's lines of words, cut into sentences and words, or taken as is, as the training text was."""
    if origin.prose:
        return read_prose(path)
    lines = read_lines(path, lowercase=origin.lowercase)
    if origin.source != "sotu":
        return lines
    return [line for words in lines for line in sentences(" ".join(words))]


def encode(lines: Sequence[Line], words: Sequence[str], path: Path) -> tuple[Tokens, int]:
    """Return the lines as tokens, ``<eos>`` after each, and how many words were unknown and became ``<unk>``.

    Raises DataError, naming the first such word, where the model has no ``<unk>``.
    """
    number = {word: index for index, word in enumerate(words)}
    absent = [word for line in lines for word in line if word not in number]
    if absent and UNKNOWN not in number:
        raise DataError(
            f"{path}: {absent[0]!r} is none of the {len(words)} words the model knows, and it has no {UNKNOWN} for "
            f"others ({len(absent)} words of the text are unknown); give a text of known words"
        )
    unknown = number.get(UNKNOWN, -1)
    tokens = [number.get(word, unknown) for line in lines for word in (*line, END_OF_LINE)]
    return np.asarray(tokens, dtype=np.int32), len(absent)


@torch.no_grad()
def _after(model: LanguageModel, text_LB: Tensor) -> Tensor:
    """Return the probabilities (V,) of the word after the text."""
    state_BN = model.initial_state(1)
    for part_TB in torch.split(text_LB, 1000):
        outputs_TBN, state_BN = model.run(part_TB, state_BN)
    probabilities_V: Tensor = model.decoder(outputs_TBN[-1])[0].softmax(0)
    return probabilities_V

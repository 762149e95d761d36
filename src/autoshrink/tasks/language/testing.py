"""The final test: the one reader of a data set's test split."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoshrink.errors import DataError
from autoshrink.params.root import Compute
from autoshrink.runtime import devices
from autoshrink.tasks.language import inspection, loading, sequences, unigram
from autoshrink.tasks.language.data import PreparedText
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.language.records import SplitName, TextModel
from autoshrink.tasks.spec import Tested
from autoshrink.training.history import finite


def test(folder: Path, data: PreparedText, compute: Compute) -> Tested:
    """Return what the model in ``folder`` comes to on the test split.

    ``perplexity`` and ``loss`` (nats per word) on the test split, ``validation_perplexity``, each with the batch size
    that the model's recipe names for it, and ``unigram_perplexity``: the test split by the training split's word
    frequencies. Raises DataError where the model was trained on other words.
    """
    device = devices.pick(compute)
    description, module = _opened(folder, data, device)
    recipe = description.origin.training
    length = recipe.bptt.length

    def columns(split: SplitName, key: str) -> Tensor:
        return sequences.columns(data.split(split), getattr(recipe, key), device, f"training.rnn.{key}")

    validation_LB, test_LB = columns("validation", "evaluation_batch_size"), columns("test", "test_batch_size")
    validation_loss, test_loss = (sequences.mean_loss(module, text_LB, length) for text_LB in (validation_LB, test_LB))
    metrics = {
        "perplexity": sequences.perplexity(test_loss),
        "loss": finite(test_loss),
        "validation_perplexity": sequences.perplexity(validation_loss),
        "unigram_perplexity": unigram.perplexity(data.split("train"), data.split("test"), len(data.vocabulary)),
    }
    return Tested(metrics, inspection.predictions(module, test_LB, description.words))


def outcomes(folder: Path, data: PreparedText, compute: Compute) -> NDArray[np.float32]:
    """Return the logarithm of the probability that the model in ``folder`` gives each word of the test split.

    In the text's order, column by column where ``test_batch_size`` makes several. Raises DataError where the model was
    trained on other words.
    """
    device = devices.pick(compute)
    description, module = _opened(folder, data, device)
    recipe = description.origin.training
    test_LB = sequences.columns(data.split("test"), recipe.test_batch_size, device, "training.rnn.test_batch_size")
    return sequences.log_probabilities(module, test_LB, recipe.bptt.length).t().flatten().cpu().numpy()


def _opened(folder: Path, data: PreparedText, device: torch.device) -> tuple[TextModel, LanguageModel]:
    """Return the model. Raises DataError where it was trained on other words."""
    description = TextModel.of(folder)
    if description.words != data.vocabulary:
        raise DataError(
            f"{folder}: the model knows {len(description.words)} words that are not data set {data.name!r}'s "
            f"{len(data.vocabulary)}; test it on the data set it was trained on ({description.origin.dataset!r})"
        )
    module = loading.load_model(folder).to(device)
    module.tie()
    return description, module

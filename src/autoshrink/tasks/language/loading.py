"""Load a trained language model."""

from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.records.model import WEIGHTS
from autoshrink.tasks import models
from autoshrink.tasks.language import network
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.language.records import TextModel


def load_model(folder: Path) -> LanguageModel:
    """Return the trained model in evaluation mode, on the CPU; it takes tokens (T, B) and a state (B, S).

    Raises ArtifactError where a file is missing, altered, or the weights are not the ones described.
    """
    description = TextModel.of(folder)
    weights = models.weights(folder, description)
    module = network.skeleton(description.cell, description.network, len(description.words))
    if module.decoder.bias.is_meta:
        module.to_empty(device="cpu")
    module.tie()
    try:
        network.load_parameters(module, weights)
    except ValueError as error:
        raise ArtifactError(f"{folder / WEIGHTS}: does not fit model.json ({error})") from None
    return module.eval().requires_grad_(False)

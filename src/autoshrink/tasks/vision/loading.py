"""Load a trained classifier."""

from pathlib import Path

from torch import nn

from autoshrink.errors import ArtifactError
from autoshrink.records.model import WEIGHTS
from autoshrink.tasks import models
from autoshrink.tasks.vision.network import outline
from autoshrink.tasks.vision.records import ImageModel


def load_model(folder: Path) -> nn.Module:
    """Return the trained network in evaluation mode, on the CPU; it takes normalised images (B, C, H, W).

    Raises ArtifactError where a file is missing, altered, or the weights are not the ones described.
    """
    description = ImageModel.of(folder)
    weights = models.weights(folder, description)
    module = outline(description.cell, description.network, description.channels, len(description.classes))
    try:
        module.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ArtifactError(f"{folder / WEIGHTS}: does not fit model.json ({' '.join(str(error).split())})") from None
    return module.eval().requires_grad_(False)

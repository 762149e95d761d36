"""From a cell to a language model: embedding, one recurrent layer, decoder (paper, section 4.2).

Shapes: T time steps, B batch, E embedding width, N hidden width, S width of the state (N for a cell), V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body, KnownBlock
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.language import LanguageNetwork
from autoshrink.runtime import seeds
from autoshrink.tasks.language import dropout, layers


class LanguageModel(nn.Module):
    """A word-level language model around one recurrent cell or layer; the decoder has a bias, a cell none.

    With ``network.tied`` the decoder's weights are the embedding's.
    """

    def __init__(self, cell: Body, network: LanguageNetwork, vocabulary: int) -> None:
        super().__init__()
        self.network = network
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary, network.embedding)
        self.layer = layers.make(cell, network.embedding, network.hidden)
        self.decoder = nn.Linear(network.hidden, vocabulary)
        self.tie()

    def tie(self) -> None:
        """Make the decoder's weights the embedding's where the network says so."""
        if self.network.tied:
            self.decoder.weight = self.embedding.weight

    def initial_state(self, batch: int) -> Tensor:
        """Return the state (B, S) before the first word: zeros."""
        return self.decoder.bias.new_zeros(batch, self.layer.state_width)

    def run(self, tokens_TB: Tensor, state_BS: Tensor, masks: dropout.Masks = dropout.NONE) -> tuple[Tensor, Tensor]:
        """Return the recurrent layer's outputs (T, B, N), before dropout, and the next state (B, S)."""
        weight_VE = self.embedding.weight
        if masks.words_V1 is not None:
            weight_VE = weight_VE * masks.words_V1
        x_TBE = nn.functional.embedding(tokens_TB, weight_VE)
        for mask_BE in (masks.embedding_BE, masks.input_BE):
            if mask_BE is not None:
                x_TBE = x_TBE * mask_BE
        return self.layer.run(x_TBE, state_BS, masks.hidden_BN)

    def forward(self, tokens_TB: Tensor, state_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (T, B, V) of each next word, and the state (B, S) after the last."""
        outputs_TBN, state_BS = self.run(tokens_TB, state_BS)
        return self.decoder(outputs_TBN), state_BS

    def step(self, tokens_B: Tensor, state_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, V) of the next word and the next state (B, S) after one word, in plain operations."""
        output_BN, state_BS = self.layer.advance(self.embedding(tokens_B), state_BS)
        return self.decoder(output_BN), state_BS


def skeleton(cell: Body, network: LanguageNetwork, vocabulary: int) -> LanguageModel:
    """Return the model on the ``meta`` device: all shapes, no weights. Enough to count, or to load weights into.

    A user's own layer, which may know no such device, is made on the CPU. Raises UserError where the cell carries an
    operator that is no activation, or no language model has such a layer.
    """
    if _is_foreign(cell):
        with torch.random.fork_rng(devices=[]):
            return LanguageModel(cell, network, vocabulary)
    with torch.device("meta"):
        return LanguageModel(cell, network, vocabulary)


def build(cell: Body, network: LanguageNetwork, words: Sequence[str], seed: int) -> LanguageModel:
    """Return the model for these words, initialised, on the CPU.

    Each parameter is drawn uniformly under its own name from ``seed``; the decoder's bias is zero. torch's layers start
    as they do by themselves, in plus or minus 1 / sqrt(N), and a user's own as its function makes it. Raises DataError
    where the network's embedding file is missing or of another width.
    """
    if _is_foreign(cell):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds.derive(seed, "init/layer"))
            module = LanguageModel(cell, network, len(words))
    else:
        module = skeleton(cell, network, len(words))
        module.to_empty(device="cpu")
        module.tie()  # to_empty gives every name memory of its own
    layer_bound = network.hidden**-0.5 if isinstance(cell, KnownBlock) else network.initial_range
    for name, parameter in module.named_parameters():
        if name.startswith("layer.") and _is_foreign(cell):
            continue
        generator = seeds.torch_generator(seed, f"init/{name}")
        bound = layer_bound if name.startswith("layer.") else network.embedding_range
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


def _is_foreign(cell: Body) -> bool:
    return isinstance(cell, KnownBlock) and cell.is_entry_point


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

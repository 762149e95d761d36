"""The language model around a cell, its parameters and its costs."""

from pathlib import Path

import pytest
import torch

from autoshrink.cells import released
from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.language import Dropouts, LanguageNetwork
from autoshrink.tasks.language import costs, dropout, network
from autoshrink.tasks.language.data import PreparedText

CELL = Cell.complete(["relu", "sigmoid", "tanh", "identity"])
SMALL = LanguageNetwork(embedding=6, hidden=6)
WORDS = ["<eos>", "a", "b", "c", "d"]


def analytic(cell: Cell, net: LanguageNetwork, vocabulary: int) -> tuple[int, int]:
    """Count parameters and MACs per word from the equations alone; a bias counts one MAC, as everywhere here."""
    cell_weights = (net.embedding + net.hidden) * 2 * net.hidden + len(cell.edges) * 2 * net.hidden**2
    decoder = net.hidden * vocabulary + vocabulary
    embedding = 0 if net.tied else vocabulary * net.embedding
    return embedding + cell_weights + decoder, cell_weights + decoder


@pytest.mark.parametrize(
    ("cell", "net", "vocabulary"),
    [
        (CELL, SMALL, 5),
        (CELL, LanguageNetwork(embedding=4, hidden=7, tied=False), 11),
        (Cell.of((), ()), SMALL, 3),
        (Cell.complete(["tanh"]), LanguageNetwork(embedding=100, hidden=100), 10_000),
    ],
)
def test_costs_are_those_of_the_equations(cell: Cell, net: LanguageNetwork, vocabulary: int) -> None:
    """The counter on the executed operations and the count from the equations agree exactly."""
    found = costs.measure(cell, net, vocabulary)
    assert (found["parameters"], found["macs"]) == analytic(cell, net, vocabulary)
    built = network.build(cell, net, [str(word) for word in range(vocabulary)], 1)
    assert sum(parameter.numel() for parameter in built.parameters()) == found["parameters"]


def test_the_released_model_has_23_million_parameters() -> None:
    """10,000 tied words of 745 and the released cell: 23.0 M, as the definition gives (the paper prints 24 M)."""
    shrinkrnn = released.load("shrinkrnn")
    assert isinstance(shrinkrnn.network, LanguageNetwork)
    found = costs.measure(shrinkrnn.cell, shrinkrnn.network, shrinkrnn.example["vocabulary"])
    assert found["parameters"] == 23_000_700
    assert (found["parameters"], found["macs"]) == analytic(shrinkrnn.cell, shrinkrnn.network, 10_000)


def test_weights_are_drawn_by_seed_and_name_within_their_range() -> None:
    """The same seed gives the same weights, another seed others; the global generator does not matter."""
    net = LanguageNetwork(embedding=6, hidden=6, initial_range=0.04, embedding_range=0.1)
    torch.manual_seed(1)
    first = network.parameters(network.build(CELL, net, WORDS, 1))
    torch.manual_seed(2)
    again, other = (network.parameters(network.build(CELL, net, WORDS, seed)) for seed in (1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name != "decoder.bias")
    assert 0.05 < float(first["embedding.weight"].abs().max()) <= 0.1
    assert 0.03 < float(first["layer.edges.0"].abs().max()) <= 0.04
    assert not first["decoder.bias"].any()


def test_tied_weights_are_one_tensor_and_saved_once() -> None:
    """The decoder shares the embedding's weights exactly when told to."""
    tied = network.build(CELL, SMALL, WORDS, 1)
    assert tied.decoder.weight is tied.embedding.weight and "decoder.weight" not in network.parameters(tied)
    untied = network.build(CELL, LanguageNetwork(embedding=4, hidden=6, tied=False), WORDS, 1)
    assert "decoder.weight" in network.parameters(untied)


def test_one_step_equals_the_fused_forward() -> None:
    """The plain step that exporters use gives the logits and the state of the fused layer."""
    model = network.build(CELL, SMALL, WORDS, 1)
    tokens_TB = torch.tensor([[1, 2], [3, 4], [0, 1]])
    with torch.no_grad():
        logits_TBV, last_BN = model(tokens_TB, model.initial_state(2))
        state_BN = model.initial_state(2)
        for time, tokens_B in enumerate(tokens_TB):
            logits_BV, state_BN = model.step(tokens_B, state_BN)
            torch.testing.assert_close(logits_BV, logits_TBV[time])
    torch.testing.assert_close(state_BN, last_BN)


def test_each_mask_is_applied_where_it_belongs() -> None:
    """Dropped words, embeddings and inputs act on x, the hidden mask inside the cell; the output's is the loss's."""
    model = network.build(CELL, SMALL, WORDS, 1)
    tokens_TB, state_BN = torch.tensor([[1, 2], [3, 1]]), torch.full((2, 6), 0.3)
    names = Dropouts(words=0.5, embedding=0.4, input=0.3, hidden=0.2, output=0.1)
    masks = dropout.draw(names, SMALL, len(WORDS), 2, 1, "here", torch.device("cpu"))
    found_TBN = model.run(tokens_TB, state_BN, masks)[0]
    assert masks.words_V1 is not None and masks.embedding_BE is not None and masks.input_BE is not None
    x_TBE = (model.embedding.weight * masks.words_V1)[tokens_TB] * masks.embedding_BE * masks.input_BE
    first_BN = model.layer.step(x_TBE[0], state_BN, masks.hidden_BN)
    second_BN = model.layer.step(x_TBE[1], first_BN, masks.hidden_BN)
    torch.testing.assert_close(found_TBN, torch.stack([first_BN, second_BN]))


def test_masks_are_drawn_by_name_and_keep_the_mean() -> None:
    """A mask holds 0 and 1 / (1 - p), depends on its name and seed alone, and is absent where p is 0."""
    net, cpu = LanguageNetwork(embedding=500, hidden=500), torch.device("cpu")
    names = Dropouts(hidden=0.25)
    one, same, other = (dropout.draw(names, net, 9, 40, 1, name, cpu).hidden_BN for name in ("x", "x", "y"))
    assert one is not None and same is not None and other is not None
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert sorted(set(one.flatten().tolist())) == pytest.approx([0.0, 1 / 0.75])
    assert float(one.mean()) == pytest.approx(1.0, abs=0.02)
    assert dropout.draw(names, net, 9, 40, 1, "x", cpu).output_BN is None


def test_pretrained_vectors_replace_the_words_they_name(tmp_path: Path) -> None:
    """Words that the file lacks start at random; words that the text lacks are passed over."""
    path = tmp_path / "vectors.txt"
    path.write_text("b 1 2 3 4 5 6\nunheard 1 2 3 4 5 6\n")
    net = LanguageNetwork(embedding=6, hidden=6, embedding_file=str(path))
    weight = network.build(CELL, net, WORDS, 1).embedding.weight.detach()
    assert weight[2].tolist() == [1, 2, 3, 4, 5, 6]
    assert torch.equal(weight[1], network.build(CELL, SMALL, WORDS, 1).embedding.weight.detach()[1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such embedding file"),
        (b"b 1 2 3\n", "line 1 has 3 numbers; the network's embedding is 6 wide"),
        (b"b 1 2 3 x 5 6\n", "expected UTF-8 lines"),
        (b"\xff\xfe", "expected UTF-8 lines"),
        (b"b 1 2 3 4 5 6\n\n", "expected UTF-8 lines"),
    ],
)
def test_bad_embedding_files_are_told_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    """A missing, too narrow or garbled file names itself."""
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=says) as error:
        network.read_vectors(path, 6, WORDS)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_cell_of_the_prepared_text_predicts_its_words(text: PreparedText) -> None:
    """Logits have one entry per word of the prepared vocabulary."""
    model = network.build(CELL, SMALL, text.vocabulary, 1)
    logits_TBV, _ = model(torch.zeros(3, 2, dtype=torch.long), model.initial_state(2))
    assert logits_TBV.shape == (3, 2, len(text.vocabulary))

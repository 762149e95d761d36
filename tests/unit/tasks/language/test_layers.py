"""torch's own recurrent layers stand in a cell's place.

Shapes: T time steps, B batch, N hidden width, S width of the state.
"""

import sys
from pathlib import Path

import pytest
import torch

from autoshrink.cells.body import KnownBlock
from autoshrink.errors import UserError
from autoshrink.params.language import LanguageNetwork
from autoshrink.tasks.language import costs, dropout, layers, network

SMALL = LanguageNetwork(embedding=6, hidden=6)
WORDS = [f"w{number}" for number in range(11)]


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_layer_advances_as_it_runs(name: str) -> None:
    """torch's fused layer and the plain equations agree, state included; a mask of ones changes nothing."""
    model = network.build(KnownBlock(name), SMALL, WORDS, seed=3)
    tokens_TB = torch.tensor([[1, 2], [3, 4], [5, 6]])
    with torch.no_grad():
        logits_TBV, last_BS = model(tokens_TB, model.initial_state(2))
        state_BS = model.initial_state(2)
        for tokens_B, expected_BV in zip(tokens_TB, logits_TBV, strict=True):
            logits_BV, state_BS = model.step(tokens_B, state_BS)
            torch.testing.assert_close(logits_BV, expected_BV)
        torch.testing.assert_close(state_BS, last_BS)
        masked = model.run(tokens_TB, model.initial_state(2), dropout.Masks(hidden_BN=torch.ones(2, 6)))
        torch.testing.assert_close(masked[1], last_BS)


@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3)])
def test_parameters_and_macs_are_those_of_the_equations(name: str, gates: int) -> None:
    """Embedding (tied), gates with two biases each, and the decoder's bias."""
    counted = costs.measure(KnownBlock(name), SMALL, len(WORDS))
    assert counted["parameters"] == 11 * 6 + 11 + gates * (2 * 6 * 6 + 2 * 6)
    assert counted["macs"] == 11 * 6 + 11 + gates * (2 * 6 * 6 + 2 * 6)


def test_initial_weights_are_torchs_range() -> None:
    """Uniform in plus or minus 1 / sqrt(N), drawn by name, so that two builds are equal."""
    first, second = (network.build(KnownBlock("lstm"), SMALL, WORDS, seed=3) for _ in range(2))
    values = torch.cat([value.flatten() for value in first.layer.parameters()])
    assert 0.9 * 6**-0.5 < values.abs().max() <= 6**-0.5
    for value, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(value, other)


def test_an_unknown_layer_is_refused() -> None:
    """One line names what is accepted."""
    with pytest.raises(UserError, match="accepted: lstm, gru"):
        network.skeleton(KnownBlock("ltsm"), SMALL, 11)


def test_a_users_own_layer_is_one_like_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in the folder of the run makes it; two layers deep, its whole state is carried."""
    (tmp_path / "my_layers.py").write_text(
        "from torch import nn\n\ndef deep(width, inputs):\n    return nn.LSTM(inputs, width, 2)\n"
        "def wrong(width, inputs):\n    return nn.Linear(inputs, width)\n"
    )
    monkeypatch.chdir(tmp_path)
    model = network.build(KnownBlock("my_layers:deep"), SMALL, WORDS, seed=3)
    assert isinstance(model.layer, layers.Foreign)
    tokens_TB = torch.tensor([[1, 2], [3, 4], [5, 6]])
    with torch.no_grad():
        whole, _ = model(tokens_TB, model.initial_state(2))
        first, state_BS = model(tokens_TB[:2], model.initial_state(2))
        rest, _ = model(tokens_TB[2:], state_BS)
    assert state_BS.shape == (2, 4 * 6)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    assert costs.measure(KnownBlock("my_layers:deep"), SMALL, 11)["macs"] > 0
    with pytest.raises(UserError, match="my_layers:wrong: expected a layer called as"):
        network.skeleton(KnownBlock("my_layers:wrong"), SMALL, 11)
    sys.modules.pop("my_layers")

"""Columns, sequence lengths and losses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.language import BackpropagationThroughTime, Dropouts, LanguageNetwork
from autoshrink.tasks.language import dropout, network, sequences
from autoshrink.tasks.language.data import Tokens

CPU = torch.device("cpu")
NET = LanguageNetwork(embedding=5, hidden=5, initial_range=1.0, embedding_range=1.0)


def model() -> network.LanguageModel:
    """Return a small model with weights large enough to matter."""
    return network.build(Cell.complete(["tanh", "relu"]), NET, list("abcdefg"), 1)


def tokens(count: int) -> Tokens:
    """Return a text of ``count`` tokens below 7."""
    return (np.arange(count) ** 2 % 7).astype(np.int32)


def test_columns_run_down_the_text() -> None:
    """Each column is a consecutive stretch; what fills no row is left out."""
    assert sequences.columns(np.arange(11, dtype=np.int32), 3, CPU, "x").T.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(DataError, match="batch_size: 5 tokens do not fill 3 columns of two"):
        sequences.columns(tokens(5), 3, CPU, "batch_size")


def lengths_of(total: int, bptt: BackpropagationThroughTime, seed: int, name: str) -> list[int]:
    """Return how many words each sequence predicts."""
    return [cut.length for cut in sequences.cuts(total, bptt, seed, name)]


@given(
    total=st.integers(2, 400),
    bptt=st.builds(
        BackpropagationThroughTime,
        length=st.integers(2, 40),
        half_probability=st.floats(0, 1),
        deviation=st.floats(0, 10),
    ),
)
def test_lengths_cover_the_epoch_within_their_bounds(total: int, bptt: BackpropagationThroughTime) -> None:
    """All words but the first are predicted once, less a last sequence of one word; only the last may be short."""
    lengths = lengths_of(total, bptt, 1, "epoch/0")
    assert sum(lengths) == total - 1 or sum(lengths) == total - 2 > 0
    assert lengths[-1] > 1 or total == 2
    shortest = min(bptt.shortest, bptt.length + bptt.excess)
    assert all(shortest <= length <= bptt.length + bptt.excess for length in lengths[:-1])
    assert 1 <= lengths[-1] <= bptt.length + bptt.excess


def test_the_last_sequences_rate_follows_what_is_left_or_as_released_what_was_drawn() -> None:
    """Of 40 words in sequences of 35, the last five take 5/35 of the rate, or all of it."""
    for scale_last, rate_length in ((True, 5), (False, 35)):
        bptt = BackpropagationThroughTime(half_probability=0.0, scale_last=scale_last)
        assert sequences.cuts(41, bptt, 1, "epoch/0") == [sequences.Cut(35, 35), sequences.Cut(5, rate_length)]


def test_lengths_follow_mikolovs_and_meritys_recipe() -> None:
    """About one sequence in twenty has half the length, all others the whole one, when there is no deviation."""
    lengths = lengths_of(35 * 2000, BackpropagationThroughTime(), 1, "epoch/0")[:-1]
    assert set(lengths) == {17, 35}
    assert 0.03 < lengths.count(17) / len(lengths) < 0.07
    spread = lengths_of(35 * 2000, BackpropagationThroughTime(deviation=5.0, half_probability=0.0), 1, "epoch/0")
    assert np.mean(spread) == pytest.approx(34.5, abs=0.5) and np.std(spread) == pytest.approx(5.0, abs=0.5)


def test_lengths_belong_to_their_epochs_name() -> None:
    """The same epoch has the same lengths, another epoch or seed others."""
    bptt = BackpropagationThroughTime(deviation=5.0)
    first = lengths_of(1000, bptt, 1, "epoch/0")
    assert first == lengths_of(1000, bptt, 1, "epoch/0")
    assert first != lengths_of(1000, bptt, 1, "epoch/1")
    assert first != lengths_of(1000, bptt, 2, "epoch/0")


def test_a_texts_loss_does_not_depend_on_how_it_is_cut() -> None:
    """The state is carried from sequence to sequence, and every word counts alike."""
    text_LB = sequences.columns(tokens(90), 3, CPU, "x")
    whole, cut = (sequences.mean_loss(model(), text_LB, length) for length in (29, 4))
    assert whole == pytest.approx(cut, abs=1e-6)


def test_the_loss_is_the_mean_negative_log_likelihood() -> None:
    """Cross-entropy of each next word, restated from the plain step's logits."""
    net = model()
    text_LB = sequences.columns(tokens(12), 2, CPU, "x")
    state_BN, total = net.initial_state(2), 0.0
    with torch.no_grad():
        for row in range(5):
            logits_BV, state_BN = net.step(text_LB[row], state_BN)
            logs_BV = np.asarray(logits_BV.double())
            logs_BV = logs_BV - np.log(np.exp(logs_BV).sum(1, keepdims=True))
            total -= sum(logs_BV[column, text_LB[row + 1, column]] for column in range(2))
    assert sequences.mean_loss(net, text_LB, 3) == pytest.approx(total / 10, abs=1e-5)


def test_regularisation_is_meritys() -> None:
    """AR is alpha times the mean square of the dropped-out output, TAR beta times that of the raw output's change."""
    net, text_LB = model(), sequences.columns(tokens(20), 2, CPU, "x")
    masks = dropout.draw(Dropouts(output=0.5), NET, 7, 2, 3, "x", CPU)
    state_BN = net.initial_state(2)
    plain = sequences.loss(net, text_LB[2:9], state_BN, masks)
    both = sequences.loss(net, text_LB[2:9], state_BN, masks, 2.0, 1.0)
    assert masks.output_BN is not None
    raw_TBN = net.run(text_LB[2:8], state_BN)[0].detach().numpy()
    dropped_TBN = raw_TBN * masks.output_BN.numpy()
    extra = 2.0 * (dropped_TBN**2).mean() + 1.0 * (np.diff(raw_TBN, axis=0) ** 2).mean()
    assert float((both.objective - plain.objective).detach()) == pytest.approx(extra, rel=1e-5)
    assert torch.equal(both.cross_entropy, plain.cross_entropy)
    assert torch.equal(both.state_BN, torch.from_numpy(raw_TBN[-1]))


def test_tar_of_a_single_step_is_no_number_to_add() -> None:
    """One time step has no change over time."""
    net, text_LB = model(), sequences.columns(tokens(20), 2, CPU, "x")
    part = sequences.loss(net, text_LB[2:4], net.initial_state(2), temporal_activation_regularisation=1.0)
    assert torch.isfinite(part.objective)


def test_perplexities_are_finite_or_none() -> None:
    """JSON holds neither infinity nor NaN."""
    assert sequences.perplexity(0.0) == 1.0
    assert [sequences.perplexity(loss) for loss in (float("nan"), float("inf"), 1e4)] == [None, None, None]

"""The proxy's text and candidates' trainings."""

import pytest
import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.language import LanguageEarlyStop, LanguageNetwork, LanguageProxy, LanguageProxyTraining
from autoshrink.records.evaluation import TrialResult
from autoshrink.tasks.language import proxy
from autoshrink.tasks.language.data import PreparedText
from tests.device import DEVICE

SETTINGS = LanguageProxy(
    train_lines=100,
    validation_lines=30,
    test_lines=30,
    network=LanguageNetwork(embedding=8, hidden=8, initial_range=0.3),
    training=LanguageProxyTraining(epochs=3, batch_size=2, decay_epochs_before_end=[1]),
)
CELLS = [Cell.complete(["tanh", "relu"]), Cell.complete(["sigmoid", "identity"])]


def candidate(text: PreparedText, cell: Cell, seed: int, settings: LanguageProxy = SETTINGS) -> proxy.LanguageTrial:
    """Return a candidate ready to be trained."""
    return proxy.LanguageTrial(cell, settings, proxy.draw(text, settings, 1), seed, DEVICE, True)


def evaluation(text: PreparedText, cell: Cell, seed: int, settings: LanguageProxy = SETTINGS) -> TrialResult:
    """Train a candidate to the end."""
    training = candidate(text, cell, seed, settings)
    while not training.done:
        training.run_epoch()
    return training.result()


def test_the_proxy_is_the_splits_first_lines_over_their_own_words(text: PreparedText) -> None:
    """Decoded by the proxy's words, its text is the prepared one's beginning; every word occurs."""
    drawn = proxy.draw(text, SETTINGS.model_copy(update={"train_lines": 3, "validation_lines": 1, "test_lines": 1}), 1)
    decoded = [drawn.words[token] for token in drawn.train]
    assert decoded == [text.vocabulary[token] for token in text.split("train")[: len(decoded)]]
    assert decoded.count("<eos>") == 3 and decoded[-1] == "<eos>"
    assert [drawn.words[token] for token in drawn.validation].count("<eos>") == 1
    assert len(drawn.words) < len(text.vocabulary)


def test_more_lines_than_there_are_is_an_error(text: PreparedText) -> None:
    """The message names the key, the split's size and the data set."""
    with pytest.raises(DataError, match=r"proxy.rnn.validation_lines = 999: data set 'own' has 40 lines"):
        proxy.draw(text, SETTINGS.model_copy(update={"validation_lines": 999}), 1)


def test_a_candidate_trains_the_same_whoever_else_does(text: PreparedText) -> None:
    """Two candidates stepped in turn, with the global generator disturbed, give what each gives alone, bit for bit."""
    alone = [evaluation(text, cell, seed) for seed, cell in enumerate(CELLS)]
    together = [candidate(text, cell, seed) for seed, cell in enumerate(CELLS)]
    while not all(training.done for training in together):
        for training in together:
            torch.rand(7)
            training.run_epoch()
    assert [training.result() for training in together] == alone
    assert evaluation(text, CELLS[0], 5).history != alone[0].history


def test_a_result_is_json_and_reports_the_best_epoch(text: PreparedText) -> None:
    """The best validation perplexity of the history is the metric, and the model has learnt something."""
    result = evaluation(text, CELLS[0], 1)
    artifacts.canonical_json(result.to_json())
    perplexities = [record["validation_perplexity"] for record in result.history]
    assert result.metrics["perplexity"] == min(perplexities) == perplexities[result.metrics["best_epoch"]]
    assert result.metrics["perplexity"] < 0.8 * len(text.vocabulary)
    assert [record["learning_rate"] for record in result.history] == pytest.approx([20.0, 20.0, 2.0])
    assert result.stopped is None and result.costs["parameters"] > 0


def test_a_diverged_candidate_has_no_metric(text: PreparedText) -> None:
    """Its losses are None, not NaN, it stops at once, and says why."""
    training = SETTINGS.training.model_copy(update={"learning_rate": 1e30, "clip_gradient_norm": 1e30})
    result = evaluation(
        text, Cell.complete(["relu", "identity"]), 1, SETTINGS.model_copy(update={"training": training})
    )
    artifacts.canonical_json(result.to_json())
    assert result.stopped == "diverged" and len(result.history) == 1
    assert result.metrics == {"perplexity": None, "loss": None, "best_epoch": None}


def test_an_early_stop_ends_the_training(text: PreparedText) -> None:
    """A rule that fires after the first epoch leaves one epoch of history and its name."""
    settings = SETTINGS.model_copy(update={"early_stop": LanguageEarlyStop(loss_ratio=0.01)})
    training = candidate(text, CELLS[0], 1, settings)
    training.run_epoch()
    assert training.done and training.result().stopped == "loss ratio"
    with pytest.raises(AssertionError):
        training.run_epoch()


def test_text_that_does_not_fill_the_batch_is_an_error(text: PreparedText) -> None:
    """The message names the key."""
    training = SETTINGS.training.model_copy(update={"batch_size": 900})
    with pytest.raises(DataError, match=r"proxy.rnn.*batch size"):
        candidate(text, CELLS[0], 1, SETTINGS.model_copy(update={"training": training}))

"""A rate is chosen on validation data, the first of equals."""

import pytest

import autoshrink.params.loading as loading
from autoshrink.errors import UserError
from autoshrink.evidence import learning_rates
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.history import TrainingHistory
from autoshrink.search.rounds import SearchName

NAME = SearchName.parse("rnn", "shrink-0")
PARAMETERS: Parameters = loading.validate({"references": {"rnn": {"learning_rates": [0.5, 1.0, 2.0]}}}, "test")


def history(perplexity: float | None) -> TrainingHistory:
    """A training of one epoch, kept unless it diverged."""
    epochs = ({"epoch": 0, "validation_perplexity": perplexity},)
    return TrainingHistory(task=Task("rnn"), epochs=epochs, chosen_epoch=None if perplexity is None else 0)


@pytest.mark.parametrize(
    ("perplexities", "chosen"), [((90.0, 80.0, 85.0), 1.0), ((80.0, 80.0, 85.0), 0.5), ((None, 90.0, None), 1.0)]
)
def test_the_best_on_validation_data_is_chosen(perplexities: tuple[float | None, ...], chosen: float) -> None:
    """The lowest perplexity wins; a training that diverged never does."""
    found = learning_rates.choose(PARAMETERS, NAME, "lstm", [history(value) for value in perplexities])
    assert found.learning_rate == chosen
    assert tuple(item.quality for item in found.tried) == perplexities


def test_no_training_that_can_be_judged_is_an_error() -> None:
    """The line names the network and what would help."""
    with pytest.raises(UserError, match=r"rnn/shrink-0: lstm: no training .* lower rates"):
        learning_rates.choose(PARAMETERS, NAME, "lstm", [history(None)] * 3)

"""A network's learning rate, chosen on validation data among the values that all networks try."""

from collections.abc import Sequence

from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.records.history import TrainingHistory
from autoshrink.records.reference import ChosenRate, TriedRate
from autoshrink.search.rounds import SearchName
from autoshrink.tasks.spec import spec_of


def choose(
    parameters: Parameters, name: SearchName, reference: str, histories: Sequence[TrainingHistory]
) -> ChosenRate:
    """Return the factor of the recipe's learning rate whose training is best on validation data; ties: the first.

    ``histories`` are of ``references.TASK.learning_rates``, in that order. Raises UserError where none has a validation
    result.
    """
    spec = spec_of(name.task)
    tried = []
    for factor, history in zip(spec.references(parameters).learning_rates, histories, strict=True):
        kept = None if history.chosen_epoch is None else history.epochs[history.chosen_epoch]
        quality = None if kept is None else kept.get(f"validation_{spec.metric.name}")
        tried.append(TriedRate(learning_rate=factor, quality=None if quality is None else float(quality)))
    sign = 1.0 if spec.metric.higher_is_better else -1.0
    finite = [(sign * item.quality, -index) for index, item in enumerate(tried) if item.quality is not None]
    if not finite:
        raise UserError(
            f"{name.task}/{name}: {reference}: no training with any of references.{name.task}.learning_rates has a "
            "validation result; hold out validation data, or give lower rates"
        )
    chosen = tried[-max(finite)[1]].learning_rate
    return ChosenRate(task=name.task, search=str(name), name=reference, learning_rate=chosen, tried=tuple(tried))

"""Learning-rate decay and the switch to averaged SGD. Torch-free."""

from collections.abc import Sequence


def learning_rate(base: float, epoch: int, epochs: int, before_end: Sequence[int], factor: float) -> float:
    """Return the rate of ``epoch`` (from 0): ``base`` divided by ``factor`` once for every decay epoch reached.

    The decay epochs are ``epochs`` minus each of ``before_end``; those before epoch 0 are no epochs and divide nothing.
    """
    reached = sum(0 <= epochs - early <= epoch for early in before_end)
    return base / factor**reached


def starts_averaging(earlier: Sequence[float], current: float, patience: int) -> bool:
    """Whether SGD gives way to averaged SGD after an epoch (Merity et al. 2018, algorithm 1, as their code has it).

    ``earlier`` are the validation losses of the epochs before, ``current`` is this epoch's: it must not better the
    best of those that are at least ``patience`` epochs old.
    """
    return len(earlier) > patience and current > min(earlier[:-patience])

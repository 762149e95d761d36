"""Shares of a batch for processes of unequal speed.

Every process takes its part of each batch, and its gradients count by its examples: the step is that of one process
with the whole batch, to rounding, where nothing random is drawn per process (dropout inside a network, mixing).
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import distributed

from autoshrink.errors import ParameterError
from autoshrink.params.sharing import Shares, batch_mistake, count_mistake
from autoshrink.runtime.processes import Share
from autoshrink.training.learner import Batch, Learner

TIMED_STEPS = 3


def taken(
    section: str,
    shares: Shares,
    share: Share,
    batch: int,
    unit: int,
    learner: Callable[[Share], Learner[Batch]],
) -> Share:
    """Return this process's share of each batch by the recipe's key ``shares``.

    ``balanced`` measures: every process times a few steps of ``learner``, which exchanges nothing, with an equal part.
    ``unit`` is what each part is a multiple of. Raises ParameterError where there are not as many shares as processes.
    """
    if shares is None or (shares == "balanced" and share.world == 1):
        return share
    if shares == "balanced":
        even = replace(share, parts=(1.0 / share.world,) * share.world)
        return replace(share, parts=_measured(learner(even), even))
    if mistake := count_mistake(section, shares, share.world):
        raise ParameterError(mistake)
    return replace(share, parts=tuple(float(part) for part in shares))


def weight(section: str, share: Share, batch: int, unit: int = 1) -> float:
    """Return ``Share.weight``. Raises ParameterError where the batch cannot be shared so."""
    if mistake := batch_mistake(section, batch, unit, share.world, equal=share.parts is None):
        raise ParameterError(mistake)
    return share.weight(batch, unit)


def _measured(learner: Learner[Batch], share: Share) -> tuple[float, ...]:
    """Return each process's part of the speed of all: examples a second, forward and backward, of an even share."""
    examples, start = 0, 0.0
    learner.module.train()
    for number, item in zip(range(TIMED_STEPS + 1), learner.batches(0, 0), strict=False):
        if number == 1:  # the first warms up
            examples, start = 0, time.perf_counter()
        for part in learner.parts(item):
            loss = learner.loss(learner.module, part)
            loss.objective.backward()  # type: ignore[no-untyped-call]
            loss.sums.tolist()  # waits for the device
            examples += loss.examples
    speeds = torch.zeros(share.world, dtype=torch.float64, device=next(learner.module.parameters()).device)
    speeds[share.rank] = examples / (time.perf_counter() - start)
    distributed.all_reduce(speeds)
    return tuple((speeds / speeds.sum()).tolist())

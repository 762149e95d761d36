"""Take one training step, to check that network, loss and optimizer fit the data."""

import torch

from autoshrink.training.learner import Batch, Learner


def take_step(learner: Learner[Batch], batch: Batch) -> None:
    """Take the training's first step on ``batch``, in one forward and backward pass."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(learner.seed)
        learner.module.train()
        learner.set_rate(0, 0, batch)
        learner.loss(learner.module, batch).objective.backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()
        learner.after_step()

"""The interface between a task and the training loop: network, optimizer, loss, validation."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from autoshrink.files.checkpoints import State
from autoshrink.records.history import GrowthEntry
from autoshrink.training.history import Direction, Record

Batch = TypeVar("Batch")


class Recipe(Protocol):
    """The keys of a recipe that the loop itself reads."""

    @property
    def epochs(self) -> int:
        """Passes over the training data."""

    @property
    def learning_rate(self) -> float:
        """Peak learning rate."""

    @property
    def clip_gradient_norm(self) -> float:
        """Greatest gradient norm; 0 is no clipping."""

    @property
    def patience(self) -> int | None:
        """Epochs without a new best before training stops early; None: never."""

    @property
    def keep_checkpoints(self) -> int:
        """Newest checkpoints kept."""

    @property
    def checkpoint_steps(self) -> int:
        """Steps between checkpoints inside an epoch; 0 is none."""


@dataclass(frozen=True)
class Loss:
    """What one forward pass gives."""

    objective: Tensor
    """Scalar to minimise, a mean over the examples."""
    sums: Tensor
    """Each of ``Learner.measured``, summed over the examples; float64, detached."""
    examples: int
    """How many examples the pass was over, in this process."""


class Learner(ABC, Generic[Batch]):
    """One network and how a task trains it. The loop calls every method in every process.

    Random draws are fixed by seed, epoch and step, so that a learner needs no generator's state.
    """

    section: ClassVar[str]
    """The recipe's key, for messages: ``training.cnn``."""
    unit: ClassVar[str]
    """What an example is: ``images``."""
    measured: ClassVar[Sequence[str]]
    """Names of what ``Loss.sums`` adds up; the first is ``loss``. Records have their means as ``train_NAME``."""
    quality: ClassVar[str]
    """The key of ``validate`` that the best epoch is chosen by ..."""
    direction: ClassVar[Direction]
    """... and whether more or less of it is better."""

    seed: int
    identity: Mapping[str, Any]
    """What is trained (cell, recipe, data, seed), as JSON: a checkpoint is only resumed by the same."""
    module: nn.Module
    """What is trained. ``loss`` calls it through the loop, which exchanges gradients between processes."""
    optimizer: torch.optim.Optimizer
    """``restore`` and ``end_epoch`` may replace it."""
    weight: float = 1.0
    """What a mean over this process's examples counts in the mean over processes; not 1 where shares are unequal."""
    scaler: torch.amp.GradScaler
    """Scales float16's gradients; disabled for any other arithmetic."""

    @property
    @abstractmethod
    def recipe(self) -> Recipe:
        """The recipe trained by."""

    @abstractmethod
    def epoch_facts(self) -> Mapping[str, float | bool]:
        """Return what an epoch's record says beside the losses: ``learning_rate`` and whatever else changes."""

    @abstractmethod
    def steps(self, epoch: int) -> int:
        """Return the number of optimizer steps of ``epoch``."""

    @abstractmethod
    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield this process's share of each step of ``epoch`` from ``first_step`` on."""

    @abstractmethod
    def set_rate(self, epoch: int, number: int, batch: Batch) -> None:
        """Set the optimizer's learning rate for ``batch``, step ``number`` of the training (from 0)."""

    def parts(self, batch: Batch) -> Sequence[Batch]:
        """Return what each of the step's forward passes takes."""
        return [batch]

    @abstractmethod
    def loss(self, module: nn.Module, part: Batch) -> Loss:
        """Return what ``part`` costs; ``module`` is the learner's own, wrapped."""

    def after_step(self) -> None:
        """Follow an optimizer step, as averaged weights do."""
        return None

    def evaluating(self) -> AbstractContextManager[None]:
        """Put the weights that are evaluated and kept in place inside the block."""
        return contextlib.nullcontext()

    @abstractmethod
    def validate(self) -> dict[str, float | None]:
        """Return ``validation_loss`` and the quality on held-out data; empty where none is held out."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Return the weights that are evaluated and kept, by name."""

    @abstractmethod
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Copy ``weights`` to where ``save`` takes them from."""

    def end_epoch(self, history: Sequence[Record]) -> None:
        """Follow an epoch's record, as a switch of optimizers does."""
        return None

    def grow(self, epoch: int) -> GrowthEntry | None:
        """Change the network where a change is due before ``epoch``, and return its entry in the history.

        ``module`` and ``optimizer`` are then others, and weights of earlier epochs no longer fit.
        """
        return None

    @abstractmethod
    def state(self) -> State:
        """Return what a checkpoint keeps beside the optimizer: nested values of tensors and JSON."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Take ``state`` up, and make the optimizer that its own state is then loaded into."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model into ``folder``."""

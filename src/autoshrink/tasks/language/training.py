"""The full training of a language model (Merity et al. 2018), as the training loop's learner.

Shapes: L length of a column, S words of a sequence and the one before, B batch, N hidden width.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body
from autoshrink.files.checkpoints import State
from autoshrink.params.base import Task
from autoshrink.params.language import LanguageTraining
from autoshrink.params.root import Compute
from autoshrink.params.sections import UNTRACED
from autoshrink.runtime import devices, processes
from autoshrink.runtime.processes import Share
from autoshrink.tasks import code, models
from autoshrink.tasks.language import dropout, network, schedule, sequences
from autoshrink.tasks.language.data import PreparedText
from autoshrink.tasks.language.records import TextModel, TextOrigin
from autoshrink.training import shares
from autoshrink.training.events import Progress
from autoshrink.training.history import Record, finite
from autoshrink.training.learner import Learner, Loss
from autoshrink.training.loop import Loop
from autoshrink.training.rehearsal import take_step


def train(
    cell: Body,
    recipe: LanguageTraining,
    data: PreparedText,
    folder: Path,
    seed: int,
    compute: Compute,
    progress: Progress,
) -> None:
    """Train ``cell`` by ``recipe`` and write model.safetensors, model.json and history.json into ``folder``.

    The same call resumes from the newest intact checkpoint in ``folder/checkpoints``. Under ``torchrun`` every process
    makes this call and takes its share of the columns; ``batch_size`` is of all processes together. ``progress`` is
    told every epoch, and every few seconds inside one. Raises ParameterError or DataError where recipe, processes and
    data do not fit together, DivergedError where the training diverges before its first good epoch.
    """
    device = devices.pick(compute)
    with processes.joined(device) as share:
        share = shares.taken(
            LanguageLearner.section,
            recipe.shares,
            share,
            recipe.batch_size,
            1,
            lambda even: LanguageLearner(cell, recipe, data, seed, device, even),
        )
        learner = LanguageLearner(cell, recipe, data, seed, device, share)
        Loop(learner, Task.RNN, folder, device, share, progress).run()


def rehearse(cell: Body, recipe: LanguageTraining, data: PreparedText, seed: int) -> None:
    """Take the training's first step, on the CPU. Raises as ``train`` does."""
    learner = LanguageLearner(cell, recipe, data, seed, torch.device("cpu"), Share())
    take_step(learner, next(learner.batches(0, 0)))


@dataclass(frozen=True)
class Words:
    """One step's words."""

    words_SB: Tensor
    """This process's columns."""
    masks: dropout.Masks
    rate_length: int
    """The length that scales the learning rate."""


class Objective(nn.Module):
    """A language model together with what it is trained on, so that one call takes words to a loss."""

    def __init__(self, model: network.LanguageModel, recipe: LanguageTraining) -> None:
        super().__init__()
        self.model = model
        self._regularisation = recipe.activation_regularisation, recipe.temporal_activation_regularisation

    def forward(self, words_SB: Tensor, state_BN: Tensor, masks: dropout.Masks) -> sequences.Loss:
        """Return what the sequence costs."""
        return sequences.loss(self.model, words_SB, state_BN, masks, *self._regularisation)


class LanguageLearner(Learner[Words]):
    """A language model around a cell, its optimizer, and one process's columns of the text."""

    section, unit = "training.rnn", "words"
    measured = ("loss",)
    quality, direction = "validation_loss", "min"

    def __init__(
        self,
        cell: Body,
        recipe: LanguageTraining,
        data: PreparedText,
        seed: int,
        device: torch.device,
        share: Share,
    ) -> None:
        self._recipe = recipe
        self.seed, self._device = seed, device
        self.weight = shares.weight(self.section, share, recipe.batch_size)
        self._counts, self._columns = share.counts(recipe.batch_size), share.own(recipe.batch_size)
        text_LB = sequences.columns(data.split("train"), recipe.batch_size, device, "training.rnn.batch_size")
        self.train_LB = text_LB[:, self._columns].contiguous()
        self._validation_LB = sequences.columns(
            data.split("validation"),
            recipe.evaluation_batch_size,
            device,
            "training.rnn.evaluation_batch_size",
        )
        self.model = network.build(cell, recipe.network, data.vocabulary, seed).to(device)
        self.model.tie()
        self.module = Objective(self.model, recipe)
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
            self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=False)
        self.description = TextModel(
            task=Task.RNN,
            cell=cell,
            network=recipe.network,
            origin=TextOrigin(
                dataset=data.name,
                dataset_digest=data.digest,
                source=data.manifest.source,
                lowercase=bool(data.manifest.settings.get("lowercase", False)),
                prose=bool(data.manifest.settings.get("prose", False)),
                seed=seed,
                processes=share.world,
                recipe=recipe.model_dump(mode="json", exclude=UNTRACED),
            ),
            words=data.vocabulary,
        )
        origin = self.description.origin.to_json()
        self.identity = {"cell": cell.to_json(), "code": code.digest(Task.RNN, "train"), **origin}
        self._state_BN = self.model.initial_state(self._counts[share.rank])
        self._rate = recipe.learning_rate

    @property
    def averaging(self) -> bool:
        """Whether averaged SGD has taken over."""
        return isinstance(self.optimizer, torch.optim.ASGD)

    @property
    def recipe(self) -> LanguageTraining:
        """The recipe trained by."""
        return self._recipe

    def epoch_facts(self) -> Mapping[str, float | bool]:
        """Return the epoch's rate of a sequence of full length, and which optimizer was at work."""
        return {"learning_rate": self._rate, "averaged": self.averaging}

    def steps(self, epoch: int) -> int:
        """Return the number of sequences."""
        return len(self._cuts(epoch))

    def batches(self, epoch: int, first_step: int) -> Iterator[Words]:
        """Yield the sequences one after another."""
        recipe, cuts = self.recipe, self._cuts(epoch)
        position = sum(cut.length for cut in cuts[:first_step])
        for step, cut in enumerate(cuts[first_step:], first_step):
            masks = dropout.draw(
                recipe.dropouts,
                recipe.network,
                self.model.vocabulary,
                recipe.batch_size,
                self.seed,
                f"epoch/{epoch}/step/{step}",
                self._device,
            )
            words_SB = self.train_LB[position : position + cut.length + 1]
            yield Words(words_SB, masks.of_columns(self._columns), cut.rate_length)
            position += cut.length

    def set_rate(self, epoch: int, number: int, batch: Words) -> None:
        """Scale the epoch's rate by the sequence's length."""
        recipe = self.recipe
        self._rate = schedule.learning_rate(
            recipe.learning_rate, epoch, recipe.epochs, recipe.decay_epochs_before_end, recipe.decay_factor
        )
        set_rate(self.optimizer, self._rate * batch.rate_length / recipe.bptt.length)

    def loss(self, module: nn.Module, part: Words) -> Loss:
        """Return what the sequence costs, and carry the state on."""
        found: sequences.Loss = module(part.words_SB, self._state_BN, part.masks)
        self._state_BN = found.state_BN
        words = (len(part.words_SB) - 1) * part.words_SB.shape[1]
        return Loss(found.objective, (found.cross_entropy.double() * words)[None], words)

    def evaluating(self) -> contextlib.AbstractContextManager[None]:
        """Put the averages in place once averaged SGD has taken over."""
        return averaged_weights(self.optimizer)

    def validate(self) -> dict[str, float | None]:
        """Return loss and perplexity of the validation split."""
        loss = sequences.mean_loss(self.model, self._validation_LB, self.recipe.bptt.length)
        return {"validation_loss": finite(loss), "validation_perplexity": sequences.perplexity(loss)}

    def weights(self) -> dict[str, Tensor]:
        """Return the model's parameters, tied ones once."""
        return network.parameters(self.model)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Copy them into the model."""
        network.load_parameters(self.model, weights)

    def end_epoch(self, history: Sequence[Record]) -> None:
        """Rewind the text, and switch to averaged SGD where the validation loss says so."""
        self._state_BN = torch.zeros_like(self._state_BN)
        losses = [record["validation_loss"] for record in history]
        patience = self.recipe.average_after
        if patience is None or self.averaging or losses[-1] is None:
            return
        if schedule.starts_averaging(losses[:-1], losses[-1], patience):
            self.optimizer = averaging_optimizer(self.model, self.recipe)

    def state(self) -> State:
        """Return the parameters, all processes' hidden states, and which optimizer is at work."""
        return {
            "model": network.parameters(self.model),
            "averaging": self.averaging,
            "state": processes.gathered(self._state_BN, self._counts),
        }

    def restore(self, state: State) -> None:
        """Load the parameters and this process's hidden states, and make the optimizer."""
        network.load_parameters(self.model, state["model"])
        if state["averaging"]:
            self.optimizer = averaging_optimizer(self.model, self.recipe)
        self._state_BN = state["state"][self._columns].to(self._device)

    def save(self, folder: Path) -> None:
        """Write model.safetensors and model.json."""
        models.save(folder, network.parameters(self.model), self.description)

    def _cuts(self, epoch: int) -> list[sequences.Cut]:
        return sequences.cuts(len(self.train_LB), self.recipe.bptt, self.seed, f"epoch/{epoch}")


def averaging_optimizer(model: torch.nn.Module, recipe: LanguageTraining) -> torch.optim.ASGD:
    """Return averaged SGD as the paper's release sets it: the mean of all iterates, no decay of its own.

    On a CUDA device it is capturable: otherwise it reads each parameter's step count back, a wait apiece.
    """
    capturable = next(model.parameters()).is_cuda
    return torch.optim.ASGD(
        model.parameters(),
        recipe.learning_rate,
        lambd=0.0,
        t0=0.0,
        weight_decay=recipe.weight_decay,
        capturable=capturable,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step.

    torch's ASGD keeps the rate of the step after in its state, and would lag one step behind the sequences' lengths.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    if isinstance(optimizer, torch.optim.ASGD):
        for state in optimizer.state.values():
            state["eta"].fill_(rate)


@contextlib.contextmanager
def averaged_weights(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Put the averages in the weights' place inside the block; no change under an optimizer that has none."""
    swapped: list[tuple[Tensor, Tensor]] = [
        (parameter, parameter.detach().clone()) for parameter, state in optimizer.state.items() if "ax" in state
    ]
    with torch.no_grad():
        for parameter, _ in swapped:
            parameter.copy_(optimizer.state[parameter]["ax"])
        yield
        for parameter, own in swapped:
            parameter.copy_(own)

"""The full training of a language model (Merity et al. 2018): checkpointed, and resumed exactly where it stopped.

Every random draw of a step is fixed by the seed, the epoch and the step, so a checkpoint needs no generator's state:
a training resumed from any checkpoint goes on bit for bit as if it had never stopped (on a CPU, or with deterministic
kernels).

Shapes: L length of a column, B batch, N hidden width.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.files import artifacts, checkpoints
from autoshrink.params.language import LanguageTraining
from autoshrink.params.root import Compute
from autoshrink.runtime import devices, preemption, processes
from autoshrink.runtime.processes import Share
from autoshrink.tasks.language import dropout, early_stop, network, schedule, sequences
from autoshrink.tasks.language.data import PreparedText
from autoshrink.tasks.language.loading import ModelDescription, save_model

HISTORY_KIND, HISTORY_VERSION = "history", 1
PROGRESS_SECONDS = 10.0
_UNTRACED = {"keep_checkpoints", "checkpoint_steps"}  # these change no result

Progress = Callable[[dict[str, Any]], None]


def train(
    cell: Cell,
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
    data do not fit together, UserError where the training diverges before its first good epoch.
    """
    device = devices.pick(compute)
    with processes.joined(device) as share:
        _Trainer(cell, recipe, data, folder, seed, device, share, progress).run()


class _Trainer:
    """One training: its parts, its state, and the loop over epochs and steps."""

    def __init__(
        self,
        cell: Cell,
        recipe: LanguageTraining,
        data: PreparedText,
        folder: Path,
        seed: int,
        device: torch.device,
        share: Share,
        progress: Progress,
    ) -> None:
        self.recipe, self.folder, self.seed = recipe, folder, seed
        self.device, self.share, self.progress = device, share, progress
        if recipe.batch_size % share.world:
            raise ParameterError(
                f"training.rnn.batch_size = {recipe.batch_size}: is not divisible by {share.world} processes"
            )
        own = recipe.batch_size // share.world
        self.columns = slice(share.rank * own, (share.rank + 1) * own)
        text_LB = sequences.columns(data.split("train"), recipe.batch_size, device, "training.rnn.batch_size")
        self.train_LB = text_LB[:, self.columns].contiguous()
        self.validation_LB = sequences.columns(
            data.split("validation"),
            recipe.evaluation_batch_size,
            device,
            "training.rnn.evaluation_batch_size",
        )
        self.model = network.build(cell, recipe.network, data.vocabulary, seed).to(device)
        self.model.tie()
        self.optimizer: torch.optim.Optimizer = torch.optim.SGD(
            self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.description = ModelDescription(
            cell,
            recipe.network,
            data.vocabulary,
            {
                "dataset": data.name,
                "dataset_digest": data.digest,
                "source": data.manifest["source"],
                "lowercase": data.manifest["settings"].get("lowercase", False),
                "seed": seed,
                "recipe": recipe.model_dump(mode="json", exclude=_UNTRACED),
            },
        )
        self.identity = {"cell": cell.to_json(), **self.description.origin}
        self.epoch, self.step, self.position, self.steps_before = 0, 0, 0, 0
        self.state_BN = self.model.initial_state(own)
        self.total = torch.zeros((), dtype=torch.float64, device=device)  # loss times words per column
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self._resume()

    @property
    def averaging(self) -> bool:
        """Whether averaged SGD has taken over."""
        return isinstance(self.optimizer, torch.optim.ASGD)

    def run(self) -> None:
        """Train the epochs that are left, then write the model of the best one."""
        while self.epoch < self.recipe.epochs and not self._diverged():
            self._run_epoch()
        if self.best is None:
            raise UserError(
                f"training.rnn.learning_rate = {self.recipe.learning_rate}: the training diverged in its first epoch; "
                "accepted: a lower rate"
            )
        if self.share.rank == 0:
            self._write(self.best)
        processes.wait()

    def _write(self, best: dict[str, Tensor]) -> None:
        network.load_parameters(self.model, best)
        save_model(self.folder, self.model, self.description)
        artifacts.write_sealed(
            self.folder / "history.json",
            HISTORY_KIND,
            HISTORY_VERSION,
            {
                "task": "rnn",
                "epochs": self.history,
                "chosen_epoch": early_stop.best_epoch(self.history),
            },
        )

    def _diverged(self) -> bool:
        return bool(self.history) and not early_stop.is_finite(self.history[-1])

    def _run_epoch(self) -> None:
        recipe = self.recipe
        rate = schedule.learning_rate(
            recipe.learning_rate,
            self.epoch,
            recipe.epochs,
            recipe.decay_epochs_before_end,
            recipe.decay_factor,
        )
        lengths = sequences.lengths(len(self.train_LB), recipe.bptt, self.seed, f"epoch/{self.epoch}")
        told, told_position = time.monotonic(), self.position
        for length in lengths[self.step :]:
            self._run_step(length, rate)
            last = self.step == len(lengths)
            if recipe.checkpoint_steps and self.step % recipe.checkpoint_steps == 0 and not last:
                self._save()
            if preemption.agreed(self.step) and not last:
                self._save()
                raise preemption.Preempted(f"stopped as told after step {self.step} of epoch {self.epoch + 1}")
            if time.monotonic() - told > PROGRESS_SECONDS and not last:
                words = (self.position - told_position) * recipe.batch_size
                self._tell(
                    {
                        "epoch": self.epoch,
                        "step": self.step,
                        "progress": (self.epoch + self.position / len(self.train_LB)) / recipe.epochs,
                        "words_per_second": words / (time.monotonic() - told),
                    }
                )
                told, told_position = time.monotonic(), self.position
        self._end_epoch(rate)

    def _run_step(self, length: int, rate: float) -> None:
        """Take one optimizer step on the next ``length`` words of every column."""
        recipe = self.recipe
        masks = dropout.draw(
            recipe.dropouts,
            recipe.network,
            self.model.vocabulary,
            recipe.batch_size,
            self.seed,
            f"epoch/{self.epoch}/step/{self.step}",
            self.device,
        )
        part = sequences.loss(
            self.model,
            self.train_LB[self.position : self.position + length + 1],
            self.state_BN,
            masks.of_columns(self.columns),
            recipe.activation_regularisation,
            recipe.temporal_activation_regularisation,
        )
        self.optimizer.zero_grad()
        part.objective.backward()  # type: ignore[no-untyped-call]
        processes.average([weight.grad for weight in self.model.parameters() if weight.grad is not None])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_gradient_norm)
        set_rate(self.optimizer, rate * length / recipe.bptt.length)
        self.optimizer.step()
        self.state_BN = part.state_BN
        self.total += part.cross_entropy.double() * length
        self.position += length
        self.step += 1

    def _end_epoch(self, rate: float) -> None:
        processes.average([self.total])
        train_loss = float(self.total) / self.position
        with averaged_weights(self.optimizer):
            loss = sequences.mean_loss(self.model, self.validation_LB, self.recipe.bptt.length)
            # all processes decide by the first one's number: another device may round another way
            validation_loss = float(processes.from_first(torch.tensor(loss, dtype=torch.float64, device=self.device)))
            record = {
                "epoch": self.epoch,
                "learning_rate": rate,
                "averaged": self.averaging,
                "train_loss": sequences.finite(train_loss),
                "validation_loss": sequences.finite(validation_loss),
                "validation_perplexity": sequences.perplexity(validation_loss),
            }
            self.history.append(record)
            if early_stop.best_epoch(self.history) == self.epoch:
                self.best = {name: value.clone() for name, value in network.parameters(self.model).items()}
        patience = self.recipe.average_after
        if patience is not None and not self.averaging and not self._diverged():
            losses = [item["validation_loss"] for item in self.history]
            if schedule.starts_averaging(losses[:-1], losses[-1], patience):
                self.optimizer = averaging_optimizer(self.model, self.recipe)
        self.steps_before += self.step
        self.epoch, self.step, self.position = self.epoch + 1, 0, 0
        self.state_BN.zero_()
        self.total.zero_()
        self._save()
        self._tell({**record, "progress": self.epoch / self.recipe.epochs})

    def _tell(self, record: dict[str, Any]) -> None:
        if self.share.rank == 0:
            self.progress(record)

    def _save(self) -> None:
        processes.average([self.total])  # each process goes on from the mean, as it does when it is resumed
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "position": self.position,
            "steps_before": self.steps_before,
            "model": network.parameters(self.model),
            "averaging": self.averaging,
            "optimizer": self.optimizer.state_dict(),
            "state": processes.gathered(self.state_BN),
            "total": self.total,
            "history": self.history,
            "best": self.best,
        }
        number = self.steps_before + self.step
        if self.share.rank == 0:
            checkpoints.save(self.folder / "checkpoints", number, state, self.identity, self.recipe.keep_checkpoints)
        processes.wait()

    def _resume(self) -> None:
        """Take up the newest intact checkpoint of this very training, where there is one."""
        # one process after the other: the first sets damaged checkpoints aside
        with processes.first_goes_first(self.share):
            found = checkpoints.load_latest(self.folder / "checkpoints", self.identity)
        if found is None:
            return
        state = found.state
        self.epoch, self.step = state["epoch"], state["step"]
        self.position, self.steps_before = state["position"], state["steps_before"]
        network.load_parameters(self.model, state["model"])
        if state["averaging"]:
            self.optimizer = averaging_optimizer(self.model, self.recipe)
        self.optimizer.load_state_dict(state["optimizer"])
        self.state_BN = state["state"][self.columns].to(self.device)
        self.total.copy_(state["total"])
        self.history, self.best = state["history"], state["best"]
        self._tell({"resumed": str(found.path), "epoch": self.epoch, "step": self.step})


def averaging_optimizer(model: torch.nn.Module, recipe: LanguageTraining) -> torch.optim.ASGD:
    """Return averaged SGD as the paper's release sets it: the mean of all iterates, no decay of its own."""
    return torch.optim.ASGD(
        model.parameters(), recipe.learning_rate, lambd=0.0, t0=0.0, weight_decay=recipe.weight_decay
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

"""The training loop: checkpointed, exactly resumable, on one or many devices.

A learner's random draws are fixed by seed, epoch and step, so a checkpoint holds no generator's state: a training
resumed from any checkpoint ends in the same bytes as one that never stopped (on a CPU, or with deterministic kernels).
"""

import time
from pathlib import Path
from typing import Generic

import torch
from torch import Tensor, nn
from torch.optim.optimizer import StateDict

from autoshrink.errors import DivergedError
from autoshrink.files import checkpoints
from autoshrink.params.base import Task
from autoshrink.records.evaluation import EpochEntry
from autoshrink.records.history import GrowthEntry, TrainingHistory
from autoshrink.runtime import preemption, processes, seeds
from autoshrink.runtime.processes import Share
from autoshrink.training.events import EpochEnded, Grown, Progress, Resumed, TrainingEvent, Working
from autoshrink.training.history import best_epoch, finite
from autoshrink.training.learner import Batch, Learner

PROGRESS_SECONDS = 10.0


class Loop(Generic[Batch]):
    """One training: where it stands, and the way through its epochs and steps."""

    def __init__(
        self,
        learner: Learner[Batch],
        task: Task,
        folder: Path,
        device: torch.device,
        share: Share,
        progress: Progress,
    ) -> None:
        self.learner, self.task, self.folder = learner, task, folder
        self.device, self.share, self.progress = device, share, progress
        self.epoch, self.step = 0, 0
        self.steps_before = 0
        """Steps of all earlier epochs."""
        self.sums = torch.zeros(len(learner.measured), dtype=torch.float64, device=device)
        """``Loss.sums`` since the epoch began; ``examples`` is what they are over, all processes' together."""
        self.examples = 0
        self.history: list[EpochEntry] = []
        self.growths: list[GrowthEntry] = []
        self.best: dict[str, Tensor] | None = None
        """The weights of the best epoch since the last growth."""
        self._resume()
        self.module = self._wrapped()

    def run(self) -> None:
        """Train the epochs that are left, then write the model and its history into the folder.

        Raises Preempted after a checkpoint where the process is told to stop, and DivergedError where training diverges
        before its first good epoch.
        """
        epochs = self.learner.recipe.epochs
        while self.epoch < epochs and not self._diverged() and not self._out_of_patience():
            if self.step == 0:
                self._grow()
            self._run_epoch()
        if self._diverged() and self.best is None:
            raise DivergedError(
                f"{self.learner.section}.learning_rate = {self.learner.recipe.learning_rate}: the training diverged "
                f"in epoch {self.epoch}, before any good one; accepted: a lower rate"
            )
        if self.share.rank == 0:
            if self.best is not None:
                self.learner.load_weights(self.best)
            self.learner.save(self.folder)
            chosen = self._best_epoch() if self.best is not None else self.epoch - 1
            TrainingHistory(
                task=self.task, epochs=tuple(self.history), chosen_epoch=chosen, growths=tuple(self.growths)
            ).write(self.folder / "history.json")
        processes.wait()

    def _wrapped(self) -> nn.Module:
        if self.share.world == 1:
            return self.learner.module
        return processes.data_parallel(self.learner.module, self.device)

    def _grow(self) -> None:
        """Have the learner grow where that is due; a checkpoint of its own makes it a step to resume from."""
        record = self.learner.grow(self.epoch)
        if record is None:
            return
        self.growths.append(record)
        self.best = None
        self.module = self._wrapped()
        self._save()
        self._tell(Grown(record))

    def _best_epoch(self) -> int | None:
        """Return the best epoch since the last growth: weights from before no longer fit."""
        since = self.growths[-1].epoch if self.growths else 0
        found = best_epoch(self.history[since:], self.learner.quality, self.learner.direction)
        return None if found is None else since + found

    def _diverged(self) -> bool:
        """Whether the last epoch left weights that are of no use."""
        if not self.history:
            return False
        if "validation_loss" in self.history[-1]:
            return self.history[-1]["validation_loss"] is None
        # a loss alone does not tell: float16's scaler skips the steps whose gradients overflow
        return not all(bool(weight.isfinite().all()) for weight in self.learner.module.parameters())

    def _out_of_patience(self) -> bool:
        patience, best = self.learner.recipe.patience, self._best_epoch() if self.best is not None else None
        return patience is not None and best is not None and self.epoch - 1 - best >= patience

    def _run_epoch(self) -> None:
        recipe = self.learner.recipe
        steps = self.learner.steps(self.epoch)
        self.module.train()
        told, seen = time.monotonic(), self.examples
        for batch in self.learner.batches(self.epoch, self.step):
            self._run_step(batch)
            self.step += 1
            last = self.step == steps
            if recipe.checkpoint_steps and self.step % recipe.checkpoint_steps == 0 and not last:
                self._save()
            if preemption.agreed(self.step) and not last:
                self._save()
                raise preemption.Preempted(f"stopped as told after step {self.step} of epoch {self.epoch + 1}")
            if time.monotonic() - told > PROGRESS_SECONDS and not last:
                rate = (self.examples - seen) / (time.monotonic() - told)
                share = (self.epoch + self.step / steps) / recipe.epochs
                self._tell(Working(self.epoch, share, {f"{self.learner.unit}_per_second": rate}))
                told, seen = time.monotonic(), self.examples
        self._end_epoch()

    def _run_step(self, batch: Batch) -> None:
        """Take one optimizer step, in as many forward and backward passes as the learner parts the batch into."""
        learner, clip = self.learner, self.learner.recipe.clip_gradient_norm
        number = self.steps_before + self.step
        # what draws from the global generators (dropout, mixing) gets a stream of its own each step, by name
        torch.manual_seed(seeds.derive(learner.seed, f"step/{number}/process/{self.share.rank}"))
        learner.set_rate(self.epoch, number, batch)
        parts = learner.parts(batch)
        for index, part in enumerate(parts):
            with processes.summing_gradients(self.module, index == len(parts) - 1):
                loss = learner.loss(self.module, part)
                objective = loss.objective if learner.weight == 1 else loss.objective * learner.weight
                learner.scaler.scale(objective / len(parts)).backward()  # type: ignore[no-untyped-call]
            # multiples of 2^-24 add up exactly in any order: over processes, and whenever a checkpoint falls
            self.sums += (loss.sums * 2**24).round() / 2**24
            self.examples += round(loss.examples * self.share.world / learner.weight)
        if clip:
            learner.scaler.unscale_(learner.optimizer)
            nn.utils.clip_grad_norm_(learner.module.parameters(), clip)
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
        learner.optimizer.zero_grad()
        learner.after_step()

    def _end_epoch(self) -> None:
        learner = self.learner
        self._collect_sums()
        sums = processes.from_first(self.sums).tolist()
        record: dict[str, float | int | bool | None] = {"epoch": self.epoch, **learner.epoch_facts()}
        record |= {
            f"train_{name}": finite(value / self.examples) for name, value in zip(learner.measured, sums, strict=True)
        }
        with learner.evaluating():
            record |= processes.numbers_of_first(learner.validate(), self.device)
            self.history.append(record)
            if "validation_loss" in record and self._best_epoch() == self.epoch:
                self.best = {name: weight.detach().clone() for name, weight in learner.weights().items()}
        learner.end_epoch(self.history)
        self.steps_before += self.step
        self.epoch, self.step = self.epoch + 1, 0
        self.sums.zero_()
        self.examples = 0
        self._save()
        self._tell(EpochEnded(record, self.epoch / learner.recipe.epochs))

    def _tell(self, event: TrainingEvent) -> None:
        """Report an event, from the first process only."""
        if self.share.rank == 0:
            self.progress(event)

    def _collect_sums(self) -> None:
        """Move all processes' sums to the first, which alone saves them."""
        processes.total(self.sums)
        if self.share.rank:
            self.sums.zero_()

    def _save(self) -> None:
        self._collect_sums()
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "steps_before": self.steps_before,
            "learner": self.learner.state(),
            "optimizer": self.learner.optimizer.state_dict(),
            "scaler": self.learner.scaler.state_dict(),
            "sums": self.sums,
            "examples": self.examples,
            "history": self.history,
            "growths": [growth.to_json() for growth in self.growths],
            "best": self.best,
        }
        if self.share.rank == 0:
            number, keep = self.steps_before + self.step + len(self.growths), self.learner.recipe.keep_checkpoints
            checkpoints.save(self.folder / "checkpoints", number, state, self.learner.identity, keep)
        processes.wait()

    def _resume(self) -> None:
        """Take up the newest intact checkpoint of this very training, where there is one."""
        # one process after the other: the first sets damaged checkpoints aside
        with processes.first_goes_first(self.share):
            found = checkpoints.load_latest(self.folder / "checkpoints", self.learner.identity)
        if found is None:
            return
        state, learner = found.state, self.learner
        self.epoch, self.step, self.steps_before = state["epoch"], state["step"], state["steps_before"]
        learner.restore(state["learner"])
        load_optimizer(learner.optimizer, state["optimizer"])
        if learner.scaler.is_enabled():
            learner.scaler.load_state_dict(state["scaler"])
        if self.share.rank == 0:
            self.sums.copy_(state["sums"])
        self.examples, self.history, self.best = state["examples"], state["history"], state["best"]
        self.growths = [GrowthEntry.model_validate(growth) for growth in state["growths"]]
        self._tell(Resumed(min(self.epoch, learner.recipe.epochs - 1), found.path.name))


def load_optimizer(optimizer: torch.optim.Optimizer, saved: StateDict) -> None:
    """Load the saved state, which may come from another kind of device.

    The optimizer's tensors are laid out as their parameters are: fused kernels walk through both side by side.
    """
    capturable = [group.get("capturable") for group in optimizer.param_groups]
    optimizer.load_state_dict(saved)
    for group, here in zip(optimizer.param_groups, capturable, strict=True):
        if here is None:
            continue
        group["capturable"] = here
        for parameter in group["params"] if here else ():
            if "step" in optimizer.state[parameter]:
                optimizer.state[parameter]["step"] = optimizer.state[parameter]["step"].to(parameter.device)
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)

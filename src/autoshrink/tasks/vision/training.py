"""The full training of an image classifier: checkpointed, resumed exactly where it stopped, on one or many devices.

Every random draw of a step is fixed by the seed, the epoch and the step, so a checkpoint needs no generator's state: a
training resumed from any checkpoint goes on bit for bit as if it had never stopped (on a CPU, or with deterministic
kernels).

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError, ParameterError
from autoshrink.files import artifacts, checkpoints
from autoshrink.params.root import Compute
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import devices, preemption, processes, seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import network, scoring, splits
from autoshrink.tasks.vision import recipe as recipes
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.loading import ModelDescription, save_model

HISTORY_KIND, HISTORY_VERSION = "history", 1
PROGRESS_SECONDS = 10.0
_UNTRACED = {"loader_workers", "keep_checkpoints", "checkpoint_steps"}  # these change no result

Progress = Callable[[dict[str, Any]], None]


def train(
    cell: Cell,
    recipe: ImageTraining,
    data: PreparedImages,
    folder: Path,
    seed: int,
    compute: Compute,
    progress: Progress,
) -> None:
    """Train ``cell`` by ``recipe`` and write model.safetensors, model.json and history.json into ``folder``.

    The same call resumes from the newest intact checkpoint in ``folder/checkpoints``. Under ``torchrun`` every
    process makes this call; ``batch_size`` and ``learning_rate`` are of all processes together. ``progress`` is
    told every epoch, and every few seconds inside one. Raises ParameterError or DataError where
    recipe, processes and data do not fit together.
    """
    device = devices.pick(compute)
    with processes.joined(device) as share:
        _Trainer(cell, recipe, data, folder, seed, device, share, progress).run()


class _Trainer:
    """One training: its parts, its state, and the loop over epochs and steps."""

    def __init__(
        self,
        cell: Cell,
        recipe: ImageTraining,
        data: PreparedImages,
        folder: Path,
        seed: int,
        device: torch.device,
        share: Share,
        progress: Progress,
    ) -> None:
        self.recipe, self.folder, self.seed = recipe, folder, seed
        self.device, self.share, self.progress = device, share, progress
        if recipe.batch_size % (share.world * recipe.accumulation_steps):
            raise ParameterError(
                f"training.cnn.batch_size = {recipe.batch_size}: is not divisible by {share.world} processes x "
                f"accumulation_steps {recipe.accumulation_steps}"
            )
        self.train_feed, self.validation_feed = splits.training_feeds(data, recipe, seed, share, device)
        self.steps_per_epoch = self.train_feed.count // recipe.batch_size
        if not self.steps_per_epoch:
            raise DataError(
                f"training.cnn.batch_size = {recipe.batch_size}: data set {data.name!r} has only "
                f"{self.train_feed.count} images to train on; accepted: at most that many"
            )
        module = network.build(cell, recipe.network, data.channels, len(data.classes), seed)
        self.module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.label_offset = int(recipe.network.background_class)
        self.optimizer = recipes.optimizer(self.module, recipe)
        self.schedule = recipes.schedule(self.optimizer, recipe, self.steps_per_epoch)
        self.average = recipes.averaged(self.module, recipe)
        self.mixing = recipes.mixing(recipe, len(data.classes) + self.label_offset)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        half = device.type == "cuda" and recipe.precision != "float32"
        dtype = torch.float16 if recipe.precision == "float16" else torch.bfloat16
        self.autocast = torch.autocast(device.type, dtype, enabled=half)
        self.scaler = torch.amp.GradScaler(device.type, enabled=half and dtype == torch.float16)
        self.description = ModelDescription(
            cell,
            recipe.network,
            data.channels,
            data.classes,
            *splits.normalisation(data, recipe),
            splits.image_size(data, recipe),
            recipe.evaluation_crop,
            {
                "dataset": data.name,
                "dataset_digest": data.digest,
                "source": data.manifest["source"],
                "storage": data.storage,
                "seed": seed,
                "recipe": recipe.model_dump(mode="json", exclude=_UNTRACED),
            },
        )
        self.identity = {"cell": cell.to_json(), **self.description.origin}
        self.epoch, self.step = 0, 0
        self.totals = torch.zeros(2, dtype=torch.float64, device=device)  # loss and hits since the epoch began
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self._resume()
        self.parallel: nn.Module = self.module
        if share.world > 1:
            self.parallel = nn.parallel.DistributedDataParallel(
                self.module, device_ids=[device] if device.type == "cuda" else None
            )

    @property
    def evaluated(self) -> network.CellNetwork:
        """The network that is evaluated and kept: the averaged weights where there are any."""
        kept = self.average.module if self.average else self.module
        assert isinstance(kept, network.CellNetwork)
        return kept

    def run(self) -> None:
        """Train the epochs that are left, then write the model."""
        while self.epoch < self.recipe.epochs:
            self._run_epoch()
        if self.share.rank == 0:
            if self.best is not None:
                self.evaluated.load_state_dict(self.best["model"])
            save_model(self.folder, self.evaluated, self.description)
            artifacts.write_sealed(
                self.folder / "history.json",
                HISTORY_KIND,
                HISTORY_VERSION,
                {
                    "task": "cnn",
                    "epochs": self.history,
                    "chosen_epoch": self.best["epoch"] if self.best else self.recipe.epochs - 1,
                },
            )
        processes.wait()

    def _run_epoch(self) -> None:
        self.parallel.train()
        told, told_step = time.monotonic(), self.step
        for x_BCHW, labels_B in self.train_feed.training_batches(self.recipe, self.seed, self.epoch, self.step):
            self._run_step(x_BCHW, labels_B)
            self.step += 1
            every = self.recipe.checkpoint_steps
            if every and self.step % every == 0 and self.step < self.steps_per_epoch:
                self._save()
            if preemption.agreed(self.step) and self.step < self.steps_per_epoch:
                self._save()
                raise preemption.Preempted(f"stopped as told after step {self.step} of epoch {self.epoch + 1}")
            if time.monotonic() - told > PROGRESS_SECONDS and self.step < self.steps_per_epoch:
                rate = (self.step - told_step) * self.recipe.batch_size / (time.monotonic() - told)
                self._tell(self.epoch, {"images_per_second": rate})
                told, told_step = time.monotonic(), self.step
        self._end_epoch()

    def _run_step(self, x_BCHW: Tensor, labels_B: Tensor) -> None:
        """Take one optimizer step, in ``accumulation_steps`` forward and backward passes."""
        number = self.epoch * self.steps_per_epoch + self.step
        # dropout and mixing draw from the global generators: give each step its own stream, by name
        torch.manual_seed(seeds.derive(self.seed, f"step/{number}/process/{self.share.rank}"))
        self.schedule.step_update(number + 1)
        parts = self.recipe.accumulation_steps
        pairs = list(zip(x_BCHW.chunk(parts), (labels_B + self.label_offset).chunk(parts), strict=True))
        for index, (part_BCHW, targets_B) in enumerate(pairs):
            mixed_BCHW, mixed_targets = self.mixing(part_BCHW, targets_B) if self.mixing else (part_BCHW, targets_B)
            last = index == parts - 1
            with processes.summing_gradients(self.parallel, last), self.autocast:
                logits_BN = self.parallel(mixed_BCHW)
                loss = self.loss(logits_BN, mixed_targets)
                self.scaler.scale(loss / parts).backward()
            hits = (logits_BN.detach().argmax(1) == targets_B).sum()
            # a multiple of 2^-24 nats adds up exactly in any order: over processes, and whenever a checkpoint falls
            summed = (loss.detach().double() * len(targets_B) * 2**24).round() / 2**24
            self.totals += torch.stack([summed, hits.double()])
        if self.recipe.clip_gradient_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip_gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update(self.module)

    def _end_epoch(self) -> None:
        self._share_totals()
        seen = self.steps_per_epoch * self.recipe.batch_size
        loss, hits = processes.from_first(self.totals).tolist()
        record: dict[str, Any] = {
            "epoch": self.epoch,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train_loss": _finite(loss / seen),
            "train_accuracy": hits / seen,
        }
        if self.validation_feed:
            processes.share_statistics(self.evaluated)
            scores = scoring.score(
                self.evaluated, self.validation_feed.evaluation_batches(), self.label_offset, self.autocast
            )
            record["validation_loss"] = _finite(scores["loss"])
            record["validation_accuracy"] = scores["accuracy_top1"]
            if self.best is None or scores["accuracy_top1"] > self.best["accuracy"]:
                self.best = {
                    "epoch": self.epoch,
                    "accuracy": scores["accuracy_top1"],
                    "model": {name: value.clone() for name, value in self.evaluated.state_dict().items()},
                }
        self.history.append(record)
        self.epoch, self.step = self.epoch + 1, 0
        self.totals.zero_()
        self._save()
        self._tell(self.epoch - 1, record)

    def _tell(self, epoch: int, numbers: dict[str, Any]) -> None:
        """Tell the caller, from the first process only, where training stands; ``progress`` is the share behind it."""
        if self.share.rank == 0:
            done = self.epoch * self.steps_per_epoch + self.step
            share = done / (self.recipe.epochs * self.steps_per_epoch)
            self.progress({"epoch": epoch, "progress": share, **numbers})

    def _share_totals(self) -> None:
        """Move all processes' totals to the first, which alone saves them."""
        if distributed.is_initialized():
            distributed.all_reduce(self.totals)
            if self.share.rank:
                self.totals.zero_()

    def _save(self) -> None:
        self._share_totals()
        if self.share.rank == 0:
            state = {
                "epoch": self.epoch,
                "step": self.step,
                "model": self.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.module.state_dict() if self.average else None,
                "scaler": self.scaler.state_dict(),
                "totals": self.totals,
                "history": self.history,
                "best": self.best,
            }
            number = self.epoch * self.steps_per_epoch + self.step
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
        self.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        _match_layout(self.optimizer)
        if self.average:
            self.average.module.load_state_dict(state["average"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])
        if self.share.rank == 0:
            self.totals.copy_(state["totals"])
        self.history, self.best = state["history"], state["best"]
        self._tell(min(self.epoch, self.recipe.epochs - 1), {"resumed": found.path.name})


def _match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay the optimizer's tensors out as their parameters are: fused kernels walk through both side by side."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

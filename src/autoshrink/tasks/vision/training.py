"""The full training of an image classifier, as the training loop's learner.

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.base import Task
from autoshrink.params.root import Compute
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import devices, processes
from autoshrink.runtime.processes import Share
from autoshrink.tasks import code
from autoshrink.tasks.vision import network, scoring, splits
from autoshrink.tasks.vision import recipe as recipes
from autoshrink.tasks.vision.batch_norm import synchronise
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.loading import ModelDescription, save_model
from autoshrink.training import shares
from autoshrink.training.history import finite
from autoshrink.training.learner import UNTRACED, Learner, Loss
from autoshrink.training.loop import Loop, Progress
from autoshrink.training.rehearsal import take_step

REHEARSED = 4
"""Images of a rehearsal's batch."""


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
    told every epoch, and every few seconds inside one. Raises ParameterError or DataError where recipe, processes and
    data do not fit together, UserError where the training diverges.
    """
    device = devices.pick(compute)
    with processes.joined(device) as share:
        share = shares.taken(
            ImageLearner.section,
            recipe.shares,
            share,
            recipe.batch_size,
            recipe.accumulation_steps,
            lambda even: ImageLearner(cell, recipe, data, seed, device, even, alone=True),
        )
        learner = ImageLearner(cell, recipe, data, seed, device, share)
        Loop(learner, Task.CNN, folder, device, share, progress).run()


def rehearse(cell: Cell, recipe: ImageTraining, data: PreparedImages, seed: int) -> None:
    """Take the training's first step on ``REHEARSED`` images, on the CPU. Raises as ``train`` does."""
    learner = ImageLearner(
        cell, recipe.model_copy(update={"loader_workers": 0}), data, seed, torch.device("cpu"), Share()
    )
    few = recipe.model_copy(update={"batch_size": min(REHEARSED, recipe.batch_size)})
    take_step(learner, next(iter(learner.train_feed.training_batches(few, seed, 0, 0))))


class ImageLearner(Learner[Batch]):
    """An image classifier around a cell, its optimizer, and the batches of one process."""

    section, unit = "training.cnn", "images"
    measured = ("loss", "accuracy")
    quality, direction = "validation_accuracy", "max"

    def __init__(
        self,
        cell: Cell,
        recipe: ImageTraining,
        data: PreparedImages,
        seed: int,
        device: torch.device,
        share: Share,
        *,
        alone: bool = False,
    ) -> None:
        """``alone``: nothing is exchanged with other processes, for a process that is only timed."""
        self._recipe = recipe
        self.seed = seed
        self.weight = shares.weight(self.section, share, recipe.batch_size, recipe.accumulation_steps)
        self.train_feed, self._validation_feed = splits.training_feeds(data, recipe, seed, share, device)
        self._steps_per_epoch = self.train_feed.count // recipe.batch_size
        if not self._steps_per_epoch:
            raise DataError(
                f"training.cnn.batch_size = {recipe.batch_size}: data set {data.name!r} has only "
                f"{self.train_feed.count} images to train on; accepted: at most that many"
            )
        module = network.build(cell, recipe.network, data.channels, len(data.classes), seed)
        if (recipe.sync_batch_norm or share.parts is not None) and share.world > 1 and not alone:
            synchronise(module, device)
        self.module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._label_offset = int(recipe.network.background_class)
        self.optimizer = recipes.optimizer(self.module, recipe)
        self._schedule = recipes.schedule(self.optimizer, recipe, self._steps_per_epoch)
        self._average = recipes.averaged(self.module, recipe)
        self._mixing = recipes.mixing(recipe, len(data.classes) + self._label_offset)
        self._loss = self._make_loss(data, seed, device)
        half = device.type == "cuda" and recipe.precision != "float32"
        dtype = torch.float16 if recipe.precision == "float16" else torch.bfloat16
        self._autocast = torch.autocast(device.type, dtype, enabled=half)
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
                "processes": share.world,
                "recipe": recipe.model_dump(mode="json", exclude={*UNTRACED, "loader_workers"}),
            },
        )
        self.identity = {"cell": cell.to_json(), "code": code.digest(Task.CNN, "train"), **self.description.origin}

    def _make_loss(self, data: PreparedImages, seed: int, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
        smoothing = self._recipe.label_smoothing
        if self._recipe.class_weights == "none":
            return nn.CrossEntropyLoss(label_smoothing=smoothing)
        weights = splits.class_weights(data, self._recipe, seed)
        # the background class, which no image has, weighs as much as the mean class
        weight_N = torch.tensor([1.0] * self._label_offset + weights.tolist(), dtype=torch.get_default_dtype())
        # weights sum to the number of images: the mean over images, not over weights, is that of the whole batch
        weighted = nn.CrossEntropyLoss(weight_N.to(device), label_smoothing=smoothing, reduction="none")
        return lambda logits_BN, targets: weighted(logits_BN, targets).mean()

    @property
    def evaluated(self) -> network.CellNetwork:
        """The network that is evaluated and kept: the averaged weights where there are any."""
        kept = self._average.module if self._average else self.module
        assert isinstance(kept, network.CellNetwork)
        return kept

    @property
    def recipe(self) -> ImageTraining:
        """The recipe trained by."""
        return self._recipe

    def epoch_facts(self) -> dict[str, Any]:
        """Return the learning rate of the epoch's last step."""
        return {"learning_rate": self.optimizer.param_groups[0]["lr"]}

    def steps(self, epoch: int) -> int:
        """Return the number of whole batches."""
        return self._steps_per_epoch

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield normalised, augmented images (B, C, H, W) and labels (B,)."""
        return self.train_feed.training_batches(self.recipe, self.seed, epoch, first_step)

    def set_rate(self, epoch: int, number: int, batch: Batch) -> None:
        """Follow the schedule, which counts steps from 1 and epochs from 0."""
        if self._recipe.schedule_per == "epoch":
            self._schedule.step(epoch)
        else:
            self._schedule.step_update(number + 1)

    def parts(self, batch: Batch) -> Sequence[Batch]:
        """Cut the batch into ``accumulation_steps`` equal parts."""
        x_BCHW, labels_B = batch
        count = self.recipe.accumulation_steps
        return list(zip(x_BCHW.chunk(count), labels_B.chunk(count), strict=True))

    def loss(self, module: nn.Module, part: Batch) -> Loss:
        """Return the mixed, smoothed cross-entropy; accuracy is against the first image's class where two are mixed."""
        x_BCHW, labels_B = part
        targets_B = labels_B + self._label_offset
        mixed_BCHW, mixed_targets = self._mixing(x_BCHW, targets_B) if self._mixing else (x_BCHW, targets_B)
        with self._autocast:
            logits_BN = module(mixed_BCHW)
            objective = self._loss(logits_BN, mixed_targets)
        hits = (logits_BN.detach().argmax(1) == targets_B).sum()
        count = len(targets_B)
        return Loss(objective, torch.stack([objective.detach().double() * count, hits.double()]), count)

    def after_step(self) -> None:
        """Update the averaged weights."""
        if self._average:
            self._average.update(self.module)

    def validate(self) -> dict[str, float | None]:
        """Return loss and top-1 accuracy on the images held out, if any."""
        if self._validation_feed is None:
            return {}
        processes.share_statistics(self.evaluated)
        batches = self._validation_feed.evaluation_batches()
        scores = scoring.score(self.evaluated, batches, self._label_offset, self._autocast)
        return {"validation_loss": finite(scores["loss"]), "validation_accuracy": scores["accuracy_top1"]}

    def weights(self) -> dict[str, Tensor]:
        """Return the evaluated network's weights and statistics."""
        return self.evaluated.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load them into the evaluated network."""
        self.evaluated.load_state_dict(weights)

    def state(self) -> dict[str, Any]:
        """Return the network's state and the averaged one's."""
        average = self._average.module.state_dict() if self._average else None
        return {"model": self.module.state_dict(), "average": average}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load both."""
        self.module.load_state_dict(state["model"])
        if self._average:
            self._average.module.load_state_dict(state["average"])

    def save(self, folder: Path) -> None:
        """Write model.safetensors and model.json."""
        save_model(folder, self.evaluated, self.description)

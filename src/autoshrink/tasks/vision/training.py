"""The full training of an image classifier, as the training loop's learner.

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body
from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError, ParameterError
from autoshrink.files.checkpoints import State
from autoshrink.params.base import Task
from autoshrink.params.root import Compute
from autoshrink.params.sections import UNTRACED
from autoshrink.params.vision import ImageNetwork, ImageTraining
from autoshrink.records.history import GrowthEntry
from autoshrink.runtime import devices, processes, seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks import code, models
from autoshrink.tasks.vision import growth, network, scoring, splits, splitting
from autoshrink.tasks.vision import recipe as recipes
from autoshrink.tasks.vision.batch_norm import synchronise
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.records import ImageModel, ImageOrigin
from autoshrink.training import shares
from autoshrink.training.events import Progress
from autoshrink.training.history import finite
from autoshrink.training.learner import Learner, Loss
from autoshrink.training.loop import Loop
from autoshrink.training.rehearsal import take_step

GROWN = ("node_widths", "residual_layers")
"""What growing changes of a network's parameters."""
REHEARSED = 4
"""Images of a rehearsal's batch."""


def train(
    cell: Body,
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
    data do not fit together, DivergedError where the training diverges.
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


def rehearse(cell: Body, recipe: ImageTraining, data: PreparedImages, seed: int) -> None:
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
        cell: Body,
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
        self._cell, self._data, self._device, self._share = cell, data, device, share
        several = share.world > 1 and not alone
        self._synchronises = (recipe.sync_batch_norm or share.parts is not None) and several
        self._size = splits.image_size(data, recipe)
        self._network, self._grown = self._first_network(), 0
        self._equip(network.initialised(cell, self._network, data.channels, len(data.classes), seed))
        if device.type == "cuda":
            devices.allow_tf32(recipe.precision == "tf32")
        self._label_offset = int(recipe.network.background_class)
        self._mixing = recipes.mixing(recipe, len(data.classes) + self._label_offset)
        self._loss = self._make_loss(data, seed, device)
        half = device.type == "cuda" and recipe.precision in ("bfloat16", "float16")
        dtype = torch.float16 if recipe.precision == "float16" else torch.bfloat16
        self._autocast = torch.autocast(device.type, dtype, enabled=half)
        self.scaler = torch.amp.GradScaler(device.type, enabled=half and dtype == torch.float16)
        self._origin = ImageOrigin(
            dataset=data.name,
            dataset_digest=data.digest,
            source=data.manifest.source,
            storage=data.manifest.storage,
            seed=seed,
            processes=share.world,
            recipe=recipe.model_dump(mode="json", exclude=UNTRACED),
        )
        operators = cell.operators[1:] if isinstance(cell, Cell) else ()
        digest = code.digest(Task.CNN, "train", operators=operators)
        self.identity = {"cell": cell.to_json(), "code": digest, **self._origin.to_json()}

    @property
    def description(self) -> ImageModel:
        """What model.json says."""
        mean, deviation = splits.normalisation(self._data, self._recipe)
        return ImageModel(
            task=Task.CNN,
            cell=self._cell,
            network=self._network,
            origin=self._origin,
            channels=self._data.channels,
            classes=self._data.classes,
            mean=mean,
            deviation=deviation,
            image_size=self._size,
            evaluation_crop=self._recipe.evaluation_crop,
        )

    def _first_network(self) -> ImageNetwork:
        """Return the recipe's network or, where it grows, the thin one; set the budget."""
        recipe, how, share = self._recipe, self._recipe.growth, self._share
        if how is None:
            return recipe.network
        if not isinstance(self._cell, Cell):
            raise ParameterError("training.cnn.growth: grows the nodes of a cell, and this network has none")
        if share.world > 1:
            raise ParameterError(f"training.cnn.growth: needs one process, found {share.world}; accepted here: null")
        odd = [name for name in self._cell.operators[1:] if name not in growth.OPERATORS]
        if odd:
            raise ParameterError(
                f"training.cnn.growth: grows {', '.join(growth.OPERATORS)} alone, and the cell has {odd[0]}; accepted: "
                "null, or a search over those operators"
            )
        thin = growth.thinned(self._cell, recipe.network, self._data.channels, len(self._data.classes), how)
        if not thin.node_widths:
            raise ParameterError(
                "training.cnn.growth: no node of this cell can grow: it has none, or each is a leaf beside an input "
                "added unchanged; accepted: null, a cell with inner nodes, or network.residual: false"
            )
        self._budget = how.budget or self._cost(recipe.network)
        if self._cost(thin) > self._budget:
            raise ParameterError(
                f"training.cnn.growth.budget = {self._budget}: the thin network already has {self._cost(thin)} "
                f"{how.cost}; accepted: at least that, or a smaller growth.start"
            )
        return thin

    def _cost(self, network: ImageNetwork) -> int:
        assert self._recipe.growth is not None and isinstance(self._cell, Cell)
        channels, classes = self._data.channels, len(self._data.classes)
        return growth.cost_of(self._cell, network, channels, classes, self._size, self._recipe.growth)

    def _equip(self, module: nn.Module) -> None:
        """Take up ``module``, and make its optimizer, schedule and average."""
        if self._synchronises:
            synchronise(module, self._device)
        layout = devices.image_layout(self._device)
        self.module = module.to(device=self._device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = recipes.optimizer(self.module, self._recipe)
        self._schedule = recipes.schedule(self.optimizer, self._recipe, self._steps_per_epoch)
        self._average = recipes.averaged(self.module, self._recipe)

    def grow(self, epoch: int) -> GrowthEntry | None:
        """Grow the network's nodes where a growth is due before ``epoch``; optimizer and average are carried over."""
        how = self._recipe.growth
        if how is None or self._grown == how.rounds or epoch != (self._grown + 1) * how.epochs:
            return None
        assert isinstance(self._cell, Cell), "no other body grows"
        self._grown += 1
        seed = seeds.derive(self.seed, f"growth/{self._grown}")
        state = {name: value.detach() for name, value in self.module.state_dict().items()}
        about = (self._cell, self._network, self._data.channels, len(self._data.classes), state)
        overgrown = (
            splitting.Splits(*about, seed, self._device)
            if how.kind == "splitting"
            else growth.Candidates(*about, how.candidates, seed, self._device, how.depth)
        )
        batches = self._growth_batches(seed)
        found = growth.grow(overgrown, how, epoch, batches, self._loss, self._size, self._budget)
        self._install(found)
        return found.entry

    def _growth_batches(self, seed: int) -> Iterator[Batch]:
        """Yield training images and the network's targets without end, in an order of the growth's own."""
        for number in itertools.count():
            for x_BCHW, labels_B in self.train_feed.training_batches(self._recipe, seed, number, 0):
                yield x_BCHW, labels_B + self._label_offset

    def _install(self, found: growth.Grown) -> None:
        """Take up the grown network, with the optimizer's state and the average of the old one."""
        before, state_before, average = dict(self.module.named_parameters()), self.optimizer.state, self._average
        self._network = found.network
        module = network.skeleton(self._cell, self._network, self._data.channels, len(self._data.classes))
        state = found.overgrown.installed(found.gates_G)
        module.load_state_dict(state, assign=True)
        self._equip(module.requires_grad_(True))
        if self._average and average:
            averages = found.overgrown.carried(found.gates_G, average.module.state_dict(), state)
            self._average.module.load_state_dict(averages)
        names = {name: state_before[parameter] for name, parameter in before.items() if parameter in state_before}
        for key in sorted({key for values in names.values() for key in values}):
            tensors = {
                name: values[key]
                for name, values in names.items()
                if isinstance(values.get(key), Tensor) and values[key].shape == before[name].shape
            }
            # a new weight's second moment starts at its layer's mean: from zero, its first steps would be huge
            second = key in ("exp_avg_sq", "square_avg")
            fills = {
                name: torch.full_like(state[name], float(value.mean() if second else 0.0))
                for name, value in tensors.items()
            }
            carried = found.overgrown.carried(found.gates_G, tensors, fills)
            for name, parameter in self.module.named_parameters():
                if name in tensors:
                    self.optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(carried[name])
                elif name in names and key in names[name]:
                    self.optimizer.state[parameter][key] = names[name][key]

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
    def evaluated(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged weights where there are any."""
        kept = self._average.module if self._average else self.module
        assert isinstance(kept, nn.Module)
        return kept

    @property
    def recipe(self) -> ImageTraining:
        """The recipe trained by."""
        return self._recipe

    def epoch_facts(self) -> Mapping[str, float | bool]:
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

    def state(self) -> State:
        """Return the network's state and the averaged one's."""
        average = self._average.module.state_dict() if self._average else None
        shape = {key: getattr(self._network, key) for key in GROWN}
        return {"model": self.module.state_dict(), "average": average, "shape": shape, "grown": self._grown}

    def restore(self, state: State) -> None:
        """Load both, into a network of the shape it had grown to."""
        self._grown = state["grown"]
        if any(state["shape"][key] != getattr(self._network, key) for key in GROWN):
            self._network = self._network.model_copy(update=state["shape"])
            module = network.skeleton(self._cell, self._network, self._data.channels, len(self._data.classes))
            self._equip(module.to_empty(device="cpu"))
        self.module.load_state_dict(state["model"])
        if self._average:
            self._average.module.load_state_dict(state["average"])

    def save(self, folder: Path) -> None:
        """Write model.safetensors and model.json."""
        models.save(folder, self.evaluated.state_dict(), self.description)

"""The proxy of image classification: a small network around a candidate, trained on a few images (paper, section 5.1).

Shapes: B batch, N images, H height, W width, C channels.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.errors import DataError
from autoshrink.params.root import PaperDefects
from autoshrink.params.vision import ImageProxy
from autoshrink.records.evaluation import EpochEntry, TrialResult
from autoshrink.runtime import devices, seeds
from autoshrink.tasks.vision import early_stop, network
from autoshrink.tasks.vision.data import PreparedImages, Split
from autoshrink.tasks.vision.dropout import NamedDropout
from autoshrink.tasks.vision.images import Normalise
from autoshrink.training.history import best_epoch, finite

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class ProxyData:
    """The proxy's images as bytes (N, H, W, C) and labels (N,), on one device, with what normalises them."""

    train_images_NHWC: Tensor
    train_labels_N: Tensor
    validation_images_NHWC: Tensor
    validation_labels_N: Tensor
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    classes: int

    @cached_property
    def digest(self) -> str:
        """sha256 over the images, labels and normalisation: what an evaluation's key calls its data."""
        tensors = (
            self.train_images_NHWC,
            self.train_labels_N,
            self.validation_images_NHWC,
            self.validation_labels_N,
        )
        digest = hashlib.sha256(repr((self.mean, self.deviation, self.classes)).encode())
        for tensor in tensors:
            digest.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device) -> "ProxyData":
        """Return the same data on ``device``."""
        return ProxyData(
            self.train_images_NHWC.to(device),
            self.train_labels_N.to(device),
            self.validation_images_NHWC.to(device),
            self.validation_labels_N.to(device),
            self.mean,
            self.deviation,
            self.classes,
        )


def draw(data: PreparedImages, proxy: ImageProxy, seed: int, paper_defects: PaperDefects) -> ProxyData:
    """Draw the proxy's training and validation images, balanced over classes, each class by its own name from ``seed``.

    Both come from the training split, without replacement and disjoint, unless a switch of ``paper_defects`` says
    otherwise. Raises DataError where a class has too few images.
    """
    if data.storage != "array":
        raise DataError(f"proxy.cnn.dataset = {data.name!r}: a proxy needs storage: array, this has {data.storage!r}")
    train = data.split("train")
    pool = data.split("test") if paper_defects.validation_from_test_split else train
    train_indices: list[int] = []
    validation_indices: list[int] = []
    for label, name in enumerate(data.classes):
        order = seeds.shuffled(seed, f"proxy/class-{label}", np.flatnonzero(train.labels_N == label).tolist())
        candidates = order
        if paper_defects.validation_from_test_split:
            members = np.flatnonzero(pool.labels_N == label).tolist()
            candidates = seeds.shuffled(seed, f"proxy/test/class-{label}", members)
        validation = candidates[: proxy.validation_per_class]
        if paper_defects.validation_with_replacement and candidates:
            validation = [
                seeds.choice(seed, f"proxy/validation/class-{label}/{draw}", candidates)
                for draw in range(proxy.validation_per_class)
            ]
        used = set() if paper_defects.validation_from_test_split else set(validation)
        training = [index for index in order if index not in used][: proxy.train_per_class]
        if len(training) < proxy.train_per_class or len(validation) < proxy.validation_per_class:
            raise DataError(
                f"proxy.cnn: class {name!r} of data set {data.name!r} has {len(order)} training images, but "
                f"train_per_class {proxy.train_per_class} + "
                f"validation_per_class {proxy.validation_per_class} are wanted; ask for fewer"
            )
        train_indices += training
        validation_indices += validation
    return ProxyData(
        *_tensors(train, train_indices),
        *_tensors(pool, validation_indices),
        data.mean,
        data.deviation,
        len(data.classes),
    )


Step = tuple[str, int]
"""What a step does and to how many images; two equal ones launch the same kernels on the same memory."""


class ImageTrial:
    """One candidate's training from scratch, an epoch at a time; exactly the same whichever others train beside it.

    An epoch is ``begin_epoch``, then ``run`` of every step it names, then ``end_epoch``; ``run_epoch`` does all that. A
    step waits for nothing and always takes the same shapes, so that it can be captured as a CUDA graph: what the host
    would decide (an epoch that ends early) is decided on the device, and the steps after it change nothing.
    """

    def __init__(
        self,
        cell: Cell,
        proxy: ImageProxy,
        data: ProxyData,
        seed: int,
        device: torch.device,
        deterministic: bool,
    ) -> None:
        """Build the candidate's network. ``seed`` is this candidate's own; ``data`` lies on ``device``."""
        self.stopped: str | None = None
        self._proxy, self._data, self._seed = proxy, data, seed
        self._device, self._deterministic = device, deterministic
        self._history: list[EpochEntry] = []
        count, height, width, channels = data.train_images_NHWC.shape
        if count < proxy.training.batch_size:
            raise DataError(
                f"proxy.cnn.training.batch_size = {proxy.training.batch_size}: the proxy has only "
                f"{count} training images; accepted: at most that many"
            )
        module = network.build(cell, proxy.network, channels, data.classes, seed)
        self._costs = counting.measure(module, [torch.zeros(1, channels, height, width)])
        self._dropout: NamedDropout | None = None
        if proxy.network.dropout:
            features = module.classifier.in_features
            self._dropout = NamedDropout(
                proxy.network.dropout, self._steps_per_epoch(count), proxy.training.batch_size, features, device
            )
            module.dropout = self._dropout
        layout = devices.image_layout(device)
        self._module = module.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        self._normalise = Normalise(data.mean, data.deviation).to(device)
        self._optimizer = torch.optim.Adam(
            network.decay_groups(module, proxy.training.weight_decay, proxy.training.projection_weight_decay),
            lr=proxy.training.learning_rate,
            fused=True,
            capturable=device.type == "cuda",
        )
        self._loss = nn.CrossEntropyLoss()
        self._order_N = torch.zeros(count, dtype=torch.long, device=device)
        self._rows_B = torch.zeros(proxy.training.batch_size, dtype=torch.long, device=device)
        self._first_rows_B = torch.arange(proxy.training.batch_size, device=device)
        # 1: the rest of the epoch changes nothing
        self._ended = torch.zeros((), dtype=torch.float32, device=device)
        # an optimizer's step does nothing where this is 1; torch made it for gradients that overflowed
        self._optimizer.found_inf = self._ended  # type: ignore[attr-defined]
        self._started = torch.zeros((), dtype=torch.bool, device=device)
        self._moving = torch.zeros(2, dtype=torch.float64, device=device)  # training loss and accuracy
        self._steps, self._correct = (torch.zeros((), dtype=torch.long, device=device) for _ in range(2))
        self._validation_loss = torch.zeros((), dtype=torch.float64, device=device)
        self._statistics = _in_one_piece(self._module)

    @property
    def done(self) -> bool:
        """Whether all epochs were run, or training was stopped early (``stopped`` says why)."""
        return self.stopped is not None or len(self._history) == self._proxy.training.epochs

    def run_epoch(self) -> EpochEntry:
        """Train one epoch, validate, and return the epoch's record (see ``end_epoch``)."""
        for step in self.begin_epoch():
            if step[0] == "validate" or not self._ended:
                self.run(step)
        return self.end_epoch()

    def begin_epoch(self) -> list[Step]:
        """Set the next epoch up and return its steps."""
        assert not self.done, "this candidate has stopped"
        count, batch_size = len(self._order_N), self._proxy.training.batch_size
        generator = seeds.torch_generator(self._seed, f"epoch/{len(self._history)}/order")
        self._order_N.copy_(torch.randperm(count, generator=generator))
        self._rows_B.copy_(self._first_rows_B)
        for tensor in (self._ended, self._started, self._steps, self._correct, self._validation_loss):
            tensor.zero_()
        if self._dropout:
            self._dropout.draw(self._seed, f"epoch/{len(self._history)}/dropout")
        validation = ("validate", len(self._data.validation_labels_N))
        return [("train", batch_size)] * self._steps_per_epoch(count) + [validation]

    def run(self, step: Step) -> None:
        """Run one of the steps that ``begin_epoch`` named."""
        tf32 = self._proxy.training.precision == "tf32"
        with devices.kernels(self._device, deterministic=self._deterministic, tf32=tf32):
            if step[0] == "train":
                self._train()
            else:
                self._validate()

    def end_epoch(self) -> EpochEntry:
        """Wait for the epoch's steps and return its record.

        Keys: ``epoch`` (from 0), ``steps``; ``train_loss`` and ``train_accuracy``, moving averages at the epoch's end,
        reset every epoch; ``validation_loss`` (nats) and ``validation_accuracy`` (share in [0, 1]). A loss that is
        not finite is None.
        """
        numbers = [*self._moving, self._validation_loss, self._steps, self._correct]
        train_loss, train_accuracy, loss, steps, correct = torch.stack([number.double() for number in numbers]).tolist()
        count = len(self._data.validation_labels_N)
        record = {
            "epoch": len(self._history),
            "steps": int(steps),
            "train_loss": finite(train_loss),
            "train_accuracy": train_accuracy,
            "validation_loss": finite(loss / count),
            "validation_accuracy": correct / count,
        }
        self._history.append(record)
        self.stopped = early_stop.reason(self._history, self._proxy.early_stop)
        return record

    def result(self) -> TrialResult:
        """Return what the candidate came to.

        ``metrics``: ``accuracy`` (best validation accuracy) and ``loss``, both of ``best_epoch``, all None where no
        epoch was finite; ``history``; ``stopped``; ``costs`` of the proxy's network at the proxy's input size.
        """
        best = best_epoch(self._history, "validation_accuracy", "max")
        record = self._history[best] if best is not None else None
        return TrialResult(
            metrics={
                "accuracy": record["validation_accuracy"] if record else None,
                "loss": record["validation_loss"] if record else None,
                "best_epoch": best,
            },
            history=tuple(self._history),
            stopped=self.stopped,
            costs=self._costs,
        )

    def _train(self) -> None:
        """Take one optimizer step, unless the epoch has ended."""
        before = self._statistics.clone()
        ended = self._ended > 0
        chosen_B = self._order_N[self._rows_B % len(self._order_N)]
        labels_B = self._data.train_labels_N[chosen_B]
        self._module.train()
        if self._dropout:
            self._dropout.choose(self._rows_B[:1] // len(self._rows_B))
        with self._autocast():
            logits_BK = self._module(self._normalise(self._data.train_images_NHWC[chosen_B]))
            loss = self._loss(logits_BK, labels_B)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        torch.where(ended, before, self._statistics, out=self._statistics)

        accuracy = (logits_BK.detach().argmax(1) == labels_B).float().mean()
        now = torch.stack([loss.detach().float(), accuracy]).double()
        momentum = self._proxy.early_stop.moving_momentum
        moving = torch.where(self._started, momentum * self._moving + (1 - momentum) * now, now)
        self._moving.copy_(torch.where(ended, self._moving, moving))
        self._started.fill_(True)
        self._steps += ~ended
        self._rows_B += len(self._rows_B)
        has_learnt = self._moving[1] > self._proxy.early_stop.train_accuracy_ceiling
        self._ended.copy_(ended | has_learnt | ~now[0].isfinite())

    @torch.no_grad()
    def _validate(self) -> None:
        """Add up loss and correct answers over the validation images."""
        self._module.eval()
        for start in range(0, len(self._data.validation_labels_N), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            labels_B = self._data.validation_labels_N[part]
            with self._autocast():
                logits_BK = self._module(self._normalise(self._data.validation_images_NHWC[part])).float()
            self._validation_loss += nn.functional.cross_entropy(logits_BK, labels_B, reduction="sum")
            self._correct += (logits_BK.argmax(1) == labels_B).sum()

    def _steps_per_epoch(self, count: int) -> int:
        batch_size = self._proxy.training.batch_size
        return -(-count // batch_size) if self._proxy.training.fill_last_batch else count // batch_size

    def _autocast(self) -> torch.autocast:
        enabled = self._device.type == "cuda" and self._proxy.training.precision == "bfloat16"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=enabled)


def _in_one_piece(module: nn.Module) -> Tensor:
    """Move all of batch norm's running statistics into one tensor, and return it: one copy then keeps them all."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    both = [(layer.running_mean, layer.running_var) for layer in layers]
    whole = torch.cat([part for parts in both for part in parts if part is not None])
    parts = iter(torch.split(whole, [width for layer in layers for width in [layer.num_features] * 2]))
    for layer in layers:
        layer.running_mean, layer.running_var = next(parts), next(parts)
    return whole


def _tensors(split: Split, indices: list[int]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images_NHWC[indices]), torch.from_numpy(split.labels_N[indices])

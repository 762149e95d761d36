"""The proxy that judges a CNN candidate: little data, little training, from scratch (paper, section 5.1).

Shapes: B batch, N images, H height, W width, C channels.
"""

import contextlib
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autoshrink import cost, seeds
from autoshrink.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.root import PaperDefects
from autoshrink.params.vision import ImageProxy
from autoshrink.vision import early_stop, network
from autoshrink.vision.data import PreparedImages, Split
from autoshrink.vision.images import Normalise

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


class Candidate:
    """One candidate's training from scratch, an epoch at a time; exactly the same whichever others train beside it."""

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
        self._history: list[dict[str, Any]] = []
        _, height, width, channels = data.train_images_NHWC.shape
        if len(data.train_labels_N) < proxy.training.batch_size:
            raise DataError(
                f"proxy.cnn.training.batch_size = {proxy.training.batch_size}: the proxy has only "
                f"{len(data.train_labels_N)} training images; accepted: at most that many"
            )
        module = network.build(cell, proxy.network, channels, data.classes, seed)
        self._costs = cost.measure(module, [torch.zeros(1, channels, height, width)])
        self._module = module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._normalise = Normalise(data.mean, data.deviation).to(device)
        self._optimizer = torch.optim.Adam(
            network.decay_groups(module, proxy.training.weight_decay), lr=proxy.training.learning_rate, fused=True
        )
        self._loss = nn.CrossEntropyLoss()
        momentum = proxy.early_stop.moving_momentum
        self._moving_loss = early_stop.MovingAverage(momentum)
        self._moving_accuracy = early_stop.MovingAverage(momentum)

    @property
    def done(self) -> bool:
        """Whether all epochs were run, or training was stopped early (``stopped`` says why)."""
        return self.stopped is not None or len(self._history) == self._proxy.training.epochs

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, validate, and return the epoch's record.

        Keys: ``epoch`` (from 0), ``steps``, ``train_loss`` and ``train_accuracy`` (moving averages at the epoch's end),
        ``validation_loss`` (nats) and ``validation_accuracy`` (share in [0, 1]); a loss that is not finite is None.
        """
        assert not self.done, "this candidate has stopped"
        epoch = len(self._history)
        with _kernels(self._device, self._deterministic):
            steps = self._train(epoch)
            loss, accuracy = self._validate()
        assert self._moving_loss.value is not None and self._moving_accuracy.value is not None
        record = {
            "epoch": epoch,
            "steps": steps,
            "train_loss": _finite(self._moving_loss.value),
            "train_accuracy": self._moving_accuracy.value,
            "validation_loss": _finite(loss),
            "validation_accuracy": accuracy,
        }
        self._history.append(record)
        self.stopped = early_stop.reason(self._history, self._proxy.early_stop)
        return record

    def result(self) -> dict[str, Any]:
        """Return what the candidate came to, as JSON values.

        ``metrics``: ``accuracy`` (best validation accuracy) and ``loss``, both of ``best_epoch``, all None where no
        epoch was finite; ``history``; ``stopped``; ``costs`` of the proxy's network at the proxy's input size.
        """
        best = early_stop.best_epoch(self._history)
        record = self._history[best] if best is not None else None
        return {
            "metrics": {
                "accuracy": record["validation_accuracy"] if record else None,
                "loss": record["validation_loss"] if record else None,
                "best_epoch": best,
            },
            "history": list(self._history),
            "stopped": self.stopped,
            "costs": self._costs,
        }

    def _train(self, epoch: int) -> int:
        """Train until the epoch ends, perhaps early, and return its steps."""
        batch_size = self._proxy.training.batch_size
        count = len(self._data.train_labels_N)
        generator = seeds.torch_generator(self._seed, f"epoch/{epoch}/order")
        order_N = torch.randperm(count, generator=generator).to(self._device)
        self._module.train()
        steps = count // batch_size
        for step in range(steps):
            chosen_B = order_N[step * batch_size : (step + 1) * batch_size]
            labels_B = self._data.train_labels_N[chosen_B]
            with self._autocast():
                logits_BK = self._module(self._normalise(self._data.train_images_NHWC[chosen_B]))
                loss = self._loss(logits_BK, labels_B)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            correct = (logits_BK.detach().argmax(1) == labels_B).float().mean()
            # one transfer a step, since the rule for ending the epoch reads the moving accuracy
            loss_value, accuracy = torch.stack([loss.detach().float(), correct]).tolist()
            self._moving_loss.update(loss_value)
            if early_stop.ends_epoch(self._moving_accuracy.update(accuracy), self._proxy.early_stop):
                return step + 1
            if not math.isfinite(loss_value):
                return step + 1
        return steps

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        """Return mean loss and accuracy over the validation images."""
        self._module.eval()
        total, correct, count = 0.0, 0, len(self._data.validation_labels_N)
        for start in range(0, count, EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            labels_B = self._data.validation_labels_N[part]
            with self._autocast():
                logits_BK = self._module(self._normalise(self._data.validation_images_NHWC[part])).float()
            total += float(nn.functional.cross_entropy(logits_BK, labels_B, reduction="sum"))
            correct += int((logits_BK.argmax(1) == labels_B).sum())
        return total / count, correct / count

    def _autocast(self) -> torch.autocast:
        enabled = self._device.type == "cuda" and self._proxy.training.precision == "bfloat16"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=enabled)


def _tensors(split: Split, indices: list[int]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images_NHWC[indices]), torch.from_numpy(split.labels_N[indices])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@contextlib.contextmanager
def _kernels(device: torch.device, deterministic: bool) -> Iterator[None]:
    """Choose deterministic kernels on a CUDA device, as this candidate was told; a CPU's always are."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = deterministic
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before

"""Multi-process training under ``torchrun``: joining, sharing, waiting. A no-op for a single process."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Share:
    """Which of ``world`` processes this one is, and which parts of the work all of them take; None: equal ones."""

    rank: int = 0
    world: int = 1
    parts: tuple[float, ...] | None = None

    def counts(self, total: int, unit: int = 1) -> tuple[int, ...]:
        """Return how many of ``total`` each process takes: multiples of ``unit``, at least one, nearest to its part.

        ``total`` is a multiple of ``unit`` and enough for all; equal parts must come out even.
        """
        units = total // unit
        assert units * unit == total and units >= self.world, "checked where the parameters are"
        if self.parts is None:
            assert units % self.world == 0, "checked where the parameters are"
            return (total // self.world,) * self.world
        exact = [units * part for part in self.parts]
        found = [max(1, math.floor(count)) for count in exact]
        while sum(found) != units:
            # the process that is furthest from its part, of those that may change
            step = 1 if sum(found) < units else -1
            able = [rank for rank in range(self.world) if found[rank] + step >= 1]
            nearest = max(able, key=lambda rank: (step * (exact[rank] - found[rank]), -rank))
            found[nearest] += step
        return tuple(count * unit for count in found)

    def own(self, total: int, unit: int = 1) -> slice:
        """Return which of 0..``total`` are this process's."""
        counts = self.counts(total, unit)
        start = sum(counts[: self.rank])
        return slice(start, start + counts[self.rank])

    def weight(self, total: int, unit: int = 1) -> float:
        """Return what a mean over this process's part counts in the mean of all processes' gradients: 1 if equal.

        With it the mean over processes is the mean over examples.
        """
        return self.counts(total, unit)[self.rank] * self.world / total


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Share]:
    """Join the processes that ``torchrun`` started (NCCL on CUDA, gloo on CPUs), and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Share()
        return
    if device.type == "cuda":
        # told its device, NCCL connects at once, and no collective has to guess it
        distributed.init_process_group("nccl", device_id=device)
    else:
        distributed.init_process_group("gloo")
    try:
        yield Share(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def wait() -> None:
    """Wait until every process is here."""
    if distributed.is_initialized():
        distributed.barrier()


@contextlib.contextmanager
def first_goes_first(share: Share) -> Iterator[None]:
    """Run the block in the first process, then in all others."""
    if share.rank:
        wait()
    yield
    if not share.rank:
        wait()


def from_first(tensor: Tensor) -> Tensor:
    """Return the first process's ``tensor``, in every process."""
    copy = tensor.clone()
    if distributed.is_initialized():
        distributed.broadcast(copy, 0)
    return copy


def total(tensor: Tensor) -> None:
    """Replace the tensor, in place, by its sum over the processes."""
    if distributed.is_initialized():
        distributed.all_reduce(tensor)


def numbers_of_first(numbers: Mapping[str, float | None], device: torch.device) -> dict[str, float | None]:
    """Return the first process's ``numbers``, in every process: another device may round another way."""
    if not distributed.is_initialized():
        return dict(numbers)
    values = [math.nan if value is None else value for value in numbers.values()]
    shared = from_first(torch.tensor(values, dtype=torch.float64, device=device)).tolist()
    return {key: None if math.isnan(value) else value for key, value in zip(numbers, shared, strict=True)}


def gathered(tensor: Tensor, counts: Sequence[int]) -> Tensor:
    """Return all processes' tensors joined along the first dimension, in which process r has ``counts[r]`` entries."""
    if not distributed.is_initialized():
        return tensor
    longest = max(counts)  # what is gathered is of one shape
    padded = torch.cat([tensor, tensor.new_zeros(longest - len(tensor), *tensor.shape[1:])])
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded.contiguous())
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def summing_gradients(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Exchange gradients in the block only when it holds a step's ``last`` backward pass."""
    if last or not isinstance(module, nn.parallel.DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


def data_parallel(module: nn.Module, device: torch.device) -> nn.parallel.DistributedDataParallel:
    """Return ``module`` wrapped so that every backward pass averages its gradients over all processes.

    Gradients lie in the buffers they are exchanged in. Batch-norm statistics are each process's own, since training
    never reads them; ``share_statistics`` hands out the first one's before they are used.
    """
    devices = [device] if device.type == "cuda" else None
    made = nn.parallel.DistributedDataParallel(module, device_ids=devices, gradient_as_bucket_view=True)
    # set afterwards: torch 2.11's argument also forgoes the exchange at the start, and later ones deprecate it
    made.broadcast_buffers = False
    return made


def share_statistics(module: nn.Module) -> None:
    """Give every process the first one's batch-norm statistics, so that all evaluate the same network."""
    if distributed.is_initialized():
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)

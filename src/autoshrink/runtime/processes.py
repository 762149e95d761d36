"""Several processes training one model under ``torchrun``: joining, sharing, waiting. For one, all is a no-op."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Share:
    """Which of ``world`` processes this one is."""

    rank: int = 0
    world: int = 1


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Share]:
    """Join the processes that ``torchrun`` started (NCCL on CUDA, gloo on CPUs), and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Share()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
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


def gathered(tensor: Tensor) -> Tensor:
    """Return all processes' tensors, which are of one shape, joined along the first dimension."""
    if not distributed.is_initialized():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def summing_gradients(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Exchange gradients in the block only when it holds a step's ``last`` backward pass."""
    if last or not isinstance(module, nn.parallel.DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


def share_statistics(module: nn.Module) -> None:
    """Give every process the first one's batch-norm statistics, so that all evaluate the same network."""
    if distributed.is_initialized():
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)

"""Choose a job's device, CPU threads and deterministic kernels."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import threadpoolctl
import torch

from autoshrink.errors import UserError
from autoshrink.params.root import Compute
from autoshrink.runtime import gpus

_image_layout = torch.channels_last


def pick(compute: Compute) -> torch.device:
    """Return the job's device, having set its CPU threads and, on CUDA, its kernels' determinism.

    Under ``torchrun`` a process takes the CUDA device of its local rank. Raises UserError where ``cuda`` is asked for
    and there is none, where a GPU is in sight that torch cannot use, and where a machine has more processes than GPUs.
    """
    # the driver reads it when CUDA starts: its 8 hardware queues by default would make lanes wait for each other
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    set_threads(compute.threads)
    if compute.device == "cpu":
        _keep_freed_memory()
        return torch.device("cpu")
    if not torch.cuda.is_available():
        seen = gpus.in_sight()
        if compute.device == "auto" and not seen:
            _keep_freed_memory()
            return torch.device("cpu")
        if not seen:
            raise UserError("compute.device = 'cuda': this machine has no usable CUDA device; accepted here: auto, cpu")
        raise UserError(
            f"compute.device = {compute.device!r}: {', '.join(seen)} is in sight, but torch {torch.__version__} cannot "
            f"use it ({_hindrance()}); mend that, or set compute.device=cpu to compute on the CPU"
        )
    rank, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if rank >= count:
        raise UserError(
            f"torchrun: process {rank + 1} of this machine has no GPU, for only {count} are visible; accepted: one "
            f"process per GPU (--nproc-per-node={count}), or compute.device=cpu"
        )
    global _image_layout
    _image_layout = torch.channels_last if compute.channels_last else torch.contiguous_format
    allow_tf32(False)
    torch.backends.cudnn.benchmark = not compute.deterministic
    if compute.deterministic:
        # cuBLAS reads this at its first use; without it torch refuses some of its kernels
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(compute.deterministic, warn_only=True)
    # else every new buffer would be filled first; all of ours are written before they are read
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    return device


def image_layout(device: torch.device) -> torch.memory_format:
    """Return how images and convolutions' weights lie in memory: channels-last on a CPU, on CUDA as ``pick`` was told.

    Channels-last sends every convolution to cuDNN; depthwise ones have kernels of torch's own in the other layout.
    """
    return _image_layout if device.type == "cuda" else torch.channels_last


def allow_tf32(allowed: bool) -> None:
    """Let CUDA's products and convolutions round single-precision factors to TF32's 10 bits of mantissa, or not."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@contextlib.contextmanager
def kernels(device: torch.device, *, deterministic: bool, tf32: bool) -> Iterator[None]:
    """Choose a CUDA device's kernels inside the block; a CPU's are always deterministic and in single precision."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.deterministic = deterministic
    allow_tf32(tf32)
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before[0]
        allow_tf32(before[1])


def set_threads(count: int) -> None:
    """Give torch's kernels and OpenBLAS, which computes our matrix products, so many CPU threads each."""
    torch.set_num_threads(count)
    threadpoolctl.threadpool_limits(count, user_api="blas")


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed for the next use, as torch itself does on a GPU.

    Otherwise each tensor of some megabytes is a fresh mapping from the system, cleared page by page: that took a fifth
    of an image candidate's training.
    """
    mmap_threshold, trim_threshold, kept = -3, -1, 2**30
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(mmap_threshold, kept)
        mallopt(trim_threshold, kept)


def _hindrance() -> str:
    """Return why torch cannot use the GPUs that are in sight, in one line."""
    if torch.version.cuda is None:
        return "it is built without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return f"CUDA_VISIBLE_DEVICES={visible} may name none that CUDA knows: it counts those in sight from 0"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split())[:300]
    return "CUDA counts no device"

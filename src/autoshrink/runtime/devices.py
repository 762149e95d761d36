"""The one place that decides what a job computes on: device, CPU threads, deterministic kernels."""

import ctypes
import os
import sys

import threadpoolctl
import torch

from autoshrink.errors import UserError
from autoshrink.params.root import Compute


def pick(compute: Compute) -> torch.device:
    """Return the job's device, having set its CPU threads and, on CUDA, its kernels' determinism.

    Under ``torchrun`` a process takes the CUDA device of its local rank. Raises UserError where ``cuda`` is asked for
    and there is none.
    """
    set_threads(compute.threads)
    if compute.device == "cpu" or (compute.device == "auto" and not torch.cuda.is_available()):
        _keep_freed_memory()
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError("compute.device = 'cuda': this machine has no usable CUDA device; accepted here: auto, cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = not compute.deterministic
    if compute.deterministic:
        # cuBLAS reads this at its first use; without it torch refuses some of its kernels
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(compute.deterministic, warn_only=True)
    # else every new buffer would be filled first; all of ours are written before they are read
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


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

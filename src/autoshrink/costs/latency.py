"""Measure the latency of a forward pass on the device at hand."""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

WARM_UP = 5
LEAST, MOST, SECONDS = 15, 200, 0.5


def measure(module: nn.Module, example_inputs: Sequence[Tensor], device: torch.device) -> float:
    """Return the median time of ``module(*example_inputs)`` in evaluation mode on ``device``, in milliseconds.

    After ``WARM_UP`` passes, passes are timed for about ``SECONDS`` seconds, at least ``LEAST`` and at most ``MOST`` of
    them; the median is robust to other load on the machine. Give a batch of one for the latency of one example.
    """
    module = module.to(device).eval()
    inputs = [example.to(device) for example in example_inputs]
    times: list[float] = []
    with torch.inference_mode():
        for _ in range(WARM_UP):
            module(*inputs)
        started = time.perf_counter()
        while len(times) < LEAST or (len(times) < MOST and time.perf_counter() - started < SECONDS):
            times.append(_timed(module, inputs, device))
    return 1000 * statistics.median(times)


def device_name(device: torch.device) -> str:
    """Return what a latency was measured on: the GPU's name, or the CPU's kind and the number of threads."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{torch.backends.cpu.get_cpu_capability()} CPU, {torch.get_num_threads()} threads"


def _timed(module: nn.Module, inputs: Sequence[Tensor], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    module(*inputs)
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # kernel launches are asynchronous
    return time.perf_counter() - start

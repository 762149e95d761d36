"""How fast a candidate's epoch could be: its arithmetic and its bytes against what the device was measured to do.

Arithmetic: two operations per MAC; a training step costs three forward passes (forward, and a product each for the
inputs' and the weights' gradients), validation one. Bytes: every layer's output is written and read once forward; in a
training step it is read once more, and its gradient written and read, backward. Without fusion nothing moves less.
"""

import time
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink import costs as cost
from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.tasks.language import costs as language_costs
from autoshrink.tasks.language.network import skeleton as language_skeleton
from autoshrink.tasks.vision import network


def seconds_per_epoch(task: Task, recipe: Any, drawn: Any, cells: list[Cell], device: torch.device) -> float:
    """Return the least seconds that one epoch of one of these candidates takes, on average; on a CPU, of one thread."""
    per_second, bandwidth = ceilings(device)
    total = 0.0
    for cell in cells:
        if task is Task.CNN:
            _, height, width, channels = drawn.train_images_NHWC.shape
            module: nn.Module = network.skeleton(cell, recipe.network, channels, drawn.classes)
            example = [torch.zeros(1, channels, height, width)]
            macs = cost.measure(module, example)["macs"]
            trained, validated = len(drawn.train_labels_N), len(drawn.validation_labels_N)
        else:
            module = language_costs.Step(language_skeleton(cell, recipe.network, len(drawn.words)))
            example = [torch.zeros(1, dtype=torch.long), torch.zeros(1, recipe.network.hidden)]
            macs = language_costs.measure(cell, recipe.network, len(drawn.words))["macs"]
            trained, validated = len(drawn.train), len(drawn.validation)
        elements = _outputs(module, example)
        operations = 2 * macs * (3 * trained + validated)
        moved = 4 * elements * (5 * trained + 2 * validated)
        total += max(operations / per_second, moved / bandwidth)
    return total / len(cells)


def ceilings(device: torch.device) -> tuple[float, float]:
    """Return float32 operations and bytes per second: a large matrix product's and a large copy's, best of several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    size = 8192 if device.type == "cuda" else 1024
    a, b = (torch.rand(size, size, device=device) for _ in range(2))
    per_second = 2 * size**3 / _best(lambda: a @ b, device)
    count = 2**28 if device.type == "cuda" else 2**25
    source, target = (torch.zeros(count, device=device) for _ in range(2))
    bandwidth = 8 * count / _best(lambda: target.copy_(source), device)
    torch.set_num_threads(before)
    return per_second, bandwidth


def _best(action: Any, device: torch.device) -> float:
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def _outputs(module: nn.Module, example: list[Tensor]) -> int:
    """Return the elements of all layers' outputs for one example."""
    total = 0

    def count(_module: nn.Module, _inputs: object, output: Any) -> None:
        nonlocal total
        total += output.numel()

    module = module.to("meta").eval()
    leaves = [layer for layer in module.modules() if not list(layer.children()) and not isinstance(layer, nn.Identity)]
    hooks = [layer.register_forward_hook(count) for layer in leaves]
    with torch.no_grad():
        module(*(tensor.to("meta") for tensor in example))
    for hook in hooks:
        hook.remove()
    return total

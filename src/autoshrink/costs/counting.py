"""Count the parameters and multiply-accumulates (MACs) of one forward pass with ptflops, per executed operation.

The paper counts convolutions and matrix products without batch norm; we state both. Batch norm costs one MAC per
element (its scale and shift once folded). Biases of a matrix product count one each; activations, pooling and
additions are free.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from autoshrink.costs.shapes import shapes_of


@contextlib.contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Make packages that are not loaded yet look as if they were not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for "cannot be imported"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# On import, ptflops imports timm and torchvision where they are installed, to register counters for their layers. Our
# networks have none of them, and those imports take up to 8 s of every evaluation job. ptflops has no switch for it, so
# the two look absent while it is imported.
with _without("timm", "torchvision"):
    from ptflops.aten_engine import FlopCounterMode

aten = torch.ops.aten

_NORMS = (nn.modules.batchnorm._BatchNorm,)
_NORM_OPERATIONS = (
    aten.native_batch_norm,
    aten.cudnn_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_no_training,
)


def measure(module: nn.Module, example_inputs: Sequence[Tensor]) -> dict[str, int]:
    """Return what one forward pass ``module(*example_inputs)`` in evaluation mode costs.

    Keys: ``parameters`` and ``macs`` (without batch norm, as the paper counts), ``parameters_with_batch_norm`` and
    ``macs_with_batch_norm``. MACs are of the whole batch given: give a batch of one. Nothing is computed (shapes
    only) and ``module`` is left as it is.
    """
    return _measure(module, example_inputs)["Global"]


def measure_parts(module: nn.Module, example_inputs: Sequence[Tensor]) -> dict[str, dict[str, int]]:
    """Return the same counts for each direct child of ``module``, by its name, less those that cost nothing."""
    return measure_with_parts(module, example_inputs)[1]


def measure_with_parts(
    module: nn.Module, example_inputs: Sequence[Tensor]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Return what ``measure`` and ``measure_parts`` do, from one forward pass."""
    parts = _measure(module, example_inputs)
    whole = parts.pop("Global")
    return whole, {name: counts for name, counts in parts.items() if any(counts.values())}


def _measure(module: nn.Module, example_inputs: Sequence[Tensor]) -> dict[str, dict[str, int]]:
    module = shapes_of(module)  # a copy: the counter leaves hooks behind
    hooks = dict.fromkeys(_NORM_OPERATIONS, _elements)
    counter = FlopCounterMode(module, custom_hooks=hooks)
    for layer in module.modules():
        if isinstance(layer, _NORMS):
            layer.forward = partial(_count_norm, counter)  # type: ignore[method-assign]
    with torch.no_grad(), counter:
        module(*(example.to("meta") for example in example_inputs))
    result = {}
    for name, part in [("Global", module), *module.named_children()]:
        by_operation = counter.flop_counts[name]
        with_norm = int(sum(by_operation.values()))
        norm = int(sum(by_operation.get(operation, 0) for operation in _NORM_OPERATIONS))
        parameters = sum(parameter.numel() for parameter in part.parameters())
        norm_parameters = sum(
            parameter.numel()
            for layer in part.modules()
            if isinstance(layer, _NORMS)
            for parameter in layer.parameters()
        )
        result[name] = {
            "parameters": parameters - norm_parameters,
            "macs": with_norm - norm,
            "parameters_with_batch_norm": parameters,
            "macs_with_batch_norm": with_norm,
        }
    return result


def _count_norm(counter: FlopCounterMode, x: Tensor) -> Tensor:
    """Count a batch norm without running it, which takes most of a count's time on the meta device."""
    for part in counter.parents:
        counter.flop_counts[part][aten.native_batch_norm] += x.numel()
    return x


def _elements(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> int:
    return outputs[0].numel()

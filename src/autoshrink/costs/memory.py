"""Activation memory of a forward pass, in PyTorch and on a microcontroller, and flash memory of the weights."""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from autoshrink.costs import dataflow, execution
from autoshrink.costs.dataflow import Dataflow
from autoshrink.costs.shapes import shapes_of


def peak_activation_bytes(module: nn.Module, example_inputs: Sequence[Tensor]) -> int:
    """Return the peak number of bytes held at once by inputs and activations in ``module(*example_inputs)``.

    In evaluation mode without gradients, where an activation is freed as soon as nothing needs it; parameters are not
    counted, nor is the scratch space of kernels. Only shapes are traced, so the count is exact on every machine.
    """
    module = shapes_of(module)
    inputs = [example.to("meta") for example in example_inputs]
    own = {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
    with torch.no_grad(), _Watch(own) as watch:
        for example in inputs:
            watch.see(example)
        module(*inputs)
    peak: int = watch.peak
    return peak


def peak_operator_bytes(module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> int:
    """Return the greatest input plus output of one operator in ``module(*example_inputs)``, at ``bits`` per number.

    Batch norm, activations and padding belong to the operator before or after them, and concatenation is free: a
    runtime has its inputs written where its output stands. This is the count that TinyML budgets are usually stated in
    (A. Chowdhery et al., "Visual Wake Words Dataset", 2019). Tensors that wait for a later operator are not in it, so
    a network with branches may need more: ``arena_bytes`` has them.
    """
    return of_largest_operator(dataflow.trace(module, example_inputs), bits)


def of_largest_operator(flow: Dataflow, bits: int) -> int:
    """Return ``peak_operator_bytes`` of a network that was traced."""
    counted = [item for item in flow.operators if not (item.joins or item.fused)]
    return _bytes(max((flow.elements(item.reads | item.writes) for item in counted), default=0), bits)


def arena_bytes(module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> int:
    """Return the bytes of all activations that an interpreter holds at once in ``module(*example_inputs)``, at ``bits``
    per number, in the order of execution that needs the fewest.

    Inputs and outputs of the operator that runs count, and whatever waits for a later one; concatenation copies and
    addition writes a tensor of its own, as in TensorFlow Lite Micro, whose word for this memory is the arena. Where a
    network is too wide for the best order to be found, this is the need of a good one (``arena`` says which).
    """
    return arena(dataflow.trace(module, example_inputs), bits)[0]


def arena(flow: Dataflow, bits: int) -> tuple[int, bool]:
    """Return ``arena_bytes`` of a network that was traced, and whether no order of execution needs fewer."""
    need = execution.least(flow)
    return _bytes(need.elements, bits), need.exact


def moved_bytes(module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> int:
    """Return the bytes that one forward pass moves: what each operator reads and writes, and every weight once, at
    ``bits`` per number (biases at 32); no cache is modelled."""
    return of_activations(dataflow.trace(module, example_inputs), bits) + flash_bytes(module, bits)


def of_activations(flow: Dataflow, bits: int) -> int:
    """Return the bytes that the operators of a traced network read and write."""
    return _bytes(sum(flow.elements(item.reads) + flow.elements(item.writes) for item in flow.operators), bits)


def _bytes(numbers: int, bits: int) -> int:
    return -(-numbers * bits // 8)


def flash_bytes(module: nn.Module, bits: int = 8) -> int:
    """Return the bytes of the weights, at ``bits`` each, and of the biases, at 32 bits each (as int8 runtimes keep
    them).

    Batch norm is folded: it leaves one bias per channel. The runtime's own code and the graph's description come on
    top; they depend on the runtime.
    """
    weights = biases = 0
    seen: set[int] = set()
    for layer in module.modules():
        folded = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        for name, parameter in layer.named_parameters(recurse=False):
            if id(parameter) in seen:  # tied weights are stored once
                continue
            seen.add(id(parameter))
            if folded:
                biases += parameter.numel() if name == "bias" else 0
            elif parameter.ndim < 2:
                biases += parameter.numel()
            else:
                weights += parameter.numel()
    return _bytes(weights, bits) + 4 * biases


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tracks the bytes of every live storage that an operation allocated."""

    def __init__(self, ignored: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak, self._held = 0, 0
        self._known = set(ignored)

    def see(self, tensor: Tensor) -> None:
        """Count the tensor's storage, if it is a new one."""
        storage = tensor.untyped_storage()
        identity, size = storage._cdata, storage.nbytes()
        if identity in self._known:
            return
        self._known.add(identity)
        self._held += size
        self.peak = max(self.peak, self._held)
        weakref.finalize(storage, self._free, identity, size)

    def _free(self, identity: int, size: int) -> None:
        self._known.discard(identity)
        self._held -= size

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for item in result if isinstance(result, list | tuple) else [result]:
            if isinstance(item, Tensor):
                self.see(item)
        return result

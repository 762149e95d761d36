"""Activation memory of a forward pass, in PyTorch and on a microcontroller, and flash memory of the weights."""

import copy
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten

# what a runtime folds into a neighbouring operator, or arranges by where it writes
_FREE = {
    aten.cat,
    aten.native_batch_norm,
    aten._native_batch_norm_legit_no_training,
    aten.cudnn_batch_norm,
    aten.relu,
    aten.silu,
    aten.gelu,
    aten.sigmoid,
    aten.tanh,
    aten.hardtanh,
    aten.hardswish,
    aten.hardsigmoid,
    aten.leaky_relu,
}


def peak_activation_bytes(module: nn.Module, example_inputs: Sequence[Tensor]) -> int:
    """Return the peak number of bytes held at once by inputs and activations in ``module(*example_inputs)``.

    In evaluation mode without gradients, where an activation is freed as soon as nothing needs it; parameters are not
    counted, nor is the scratch space of kernels. Only shapes are traced, so the count is exact on every machine.
    """
    module = copy.deepcopy(module).to("meta").eval()
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
    a network with branches may need more; ``peak_activation_bytes`` has them.
    """
    module = copy.deepcopy(module).to("meta").eval()
    inputs = [example.to("meta") for example in example_inputs]
    own = {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
    with torch.no_grad(), _Operators(own) as operators:
        module(*inputs)
    peak: int = operators.peak
    return -(-peak * bits // 8)


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
    return -(-weights * bits // 8) + 4 * biases


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tracks the greatest number of elements that one operator reads and writes."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._weights = weights
        # elements of padded tensors, by storage, without their padding
        self._unpadded: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        packet = function.overloadpacket
        read = self._activations([args, kwargs])
        # the first result alone: a max-pool's second, the indices, is for training
        written = self._activations(result[0] if isinstance(result, tuple) else result)
        if packet is aten.constant_pad_nd:
            (storage,) = written
            self._unpadded[storage] = sum(read.values())
            weakref.finalize(result.untyped_storage(), self._unpadded.pop, storage, None)
        elif packet not in _FREE and not written.keys() <= read.keys():  # else a view, or in place
            self.peak = max(self.peak, sum((read | written).values()))
        return result

    def _activations(self, values: Any) -> dict[int, int]:
        """Return the elements of each activation among ``values``, by storage: a view stands for what it looks at."""
        found = {}
        for value in tree_leaves(values):
            if isinstance(value, Tensor) and (storage := value.untyped_storage())._cdata not in self._weights:
                elements = storage.nbytes() // value.element_size()
                found[storage._cdata] = self._unpadded.get(storage._cdata, elements)
        return found


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

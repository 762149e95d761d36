"""Trace the peak activation memory of a forward pass."""

import copy
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


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

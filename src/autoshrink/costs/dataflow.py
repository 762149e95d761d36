"""What a network's operators read and write, traced on shapes alone: the ground of all memory counts of small devices.

Batch norm, activations and padding belong to the operator before or after them, as a runtime fuses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autoshrink.costs.shapes import shapes_of

aten = torch.ops.aten

_FUSED = {
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


@dataclass(frozen=True)
class Operator:
    """An operator: the tensors that it reads and those that it writes, by their indices."""

    reads: frozenset[int]
    writes: frozenset[int]
    joins: bool = False
    """Whether it only copies its inputs side by side, a concatenation."""
    fused: bool = False
    """Whether a runtime computes it inside its neighbour: batch norm or an activation."""


@dataclass(frozen=True)
class Dataflow:
    """A network's operators in the order in which PyTorch runs them, which is one that respects what they read."""

    sizes: tuple[int, ...]
    """Elements of each tensor."""
    operators: tuple[Operator, ...]
    inputs: frozenset[int]
    outputs: frozenset[int]

    def elements(self, tensors: frozenset[int]) -> int:
        """Return how many elements these tensors have."""
        return sum(self.sizes[tensor] for tensor in tensors)


def trace(module: nn.Module, example_inputs: Sequence[Tensor]) -> Dataflow:
    """Return the dataflow of ``module(*example_inputs)`` in evaluation mode; ``module`` is left as it is."""
    module = shapes_of(module)
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.forward = torch.sigmoid  # type: ignore[method-assign]  # it is fused alike, and quicker
    inputs = [example.to("meta") for example in example_inputs]
    own = {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
    with torch.no_grad(), _Tracing(own) as found:
        held = found.tensors(inputs)
        result = module(*inputs)
    return _fused(Dataflow(tuple(found.sizes), tuple(found.operators), held, found.tensors(result)))


def _fused(flow: Dataflow) -> Dataflow:
    """Merge what a fused operator writes with what it reads, where nothing else needs that."""
    readers: dict[int, int] = {}
    for operator in flow.operators:
        for tensor in operator.reads:
            readers[tensor] = readers.get(tensor, 0) + 1
    stands_for: dict[int, int] = {}
    operators = []
    for operator in flow.operators:
        reads = frozenset(stands_for.get(tensor, tensor) for tensor in operator.reads)
        (source, *others) = operator.reads or (None,)
        alone = not others and len(operator.writes) == 1
        if operator.fused and alone and source is not None:
            (written,) = operator.writes
            kept = stands_for.get(source, source)
            if readers[source] == 1 and kept not in flow.inputs and source not in flow.outputs:
                stands_for[written] = kept
                continue
        operators.append(Operator(reads, operator.writes, operator.joins, operator.fused))
    outputs = frozenset(stands_for.get(tensor, tensor) for tensor in flow.outputs)
    return Dataflow(flow.sizes, tuple(operators), flow.inputs, outputs)


class _Tracing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists operators and the tensors between them."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: list[int] = []
        self.operators: list[Operator] = []
        self._weights = weights
        # the tensors that a storage holds: several where it stacks them, one of fewer elements where it pads it
        self._held: dict[int, frozenset[int]] = {}
        self._alive: list[Tensor] = []  # a storage that is freed may leave its identity to another

    def tensors(self, values: Any) -> frozenset[int]:
        """Return the tensors that ``values`` hold; a view stands for what it looks at, weights are left out."""
        found: frozenset[int] = frozenset()
        for value in tree_leaves(values):
            if isinstance(value, Tensor) and (storage := value.untyped_storage())._cdata not in self._weights:
                if storage._cdata not in self._held:
                    self._alive.append(value)
                    self._held[storage._cdata] = frozenset([len(self.sizes)])
                    self.sizes.append(storage.nbytes() // value.element_size())
                found |= self._held[storage._cdata]
        return found

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        reads = self.tensors([args, kwargs])
        result = function(*args, **(kwargs or {}))
        packet = function.overloadpacket
        # the first result alone: a max-pool's second, the indices, is for training
        written = result[0] if isinstance(result, tuple) else result
        if packet in (aten.constant_pad_nd, aten.stack) and reads:
            self._alive.append(written)
            self._held[written.untyped_storage()._cdata] = reads
            return result
        writes = self.tensors(written)
        if writes < reads and len(writes) == 1:  # in place, from others too: counted as if it wrote a tensor anew
            (changed,) = writes
            writes = self._held[written.untyped_storage()._cdata] = frozenset([len(self.sizes)])
            self.sizes.append(self.sizes[changed])
        # else a view, in place, or scratch of a batch norm
        if not writes <= reads and any(self.sizes[tensor] for tensor in writes):
            self.operators.append(Operator(reads, writes - reads, packet is aten.cat, packet in _FUSED))
        return result

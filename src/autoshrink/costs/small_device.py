"""The costs of a small device, by name: memory, flash, and operations per byte."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor, nn

from autoshrink.costs import counting, dataflow, memory


class Count(Protocol):
    """Counts one cost of ``module(*example_inputs)`` at ``bits`` per number."""

    def __call__(self, module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> int | float:
        """Return the cost."""
        ...


def flash_bytes(module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> int:
    """Return ``memory.flash_bytes``, whatever the inputs."""
    return memory.flash_bytes(module, bits)


def intensity(module: nn.Module, example_inputs: Sequence[Tensor], bits: int = 8) -> float:
    """Return the compute intensity of ``module(*example_inputs)``: operations, two per MAC (batch norm folded), per
    byte that is moved at ``bits`` per number.

    Weights count once for the whole batch given, so a greater batch has a greater intensity; no cache is modelled, so
    figures of others are comparable only where they count alike.
    """
    return 2.0 * counting.measure(module, example_inputs)["macs"] / memory.moved_bytes(module, example_inputs, bits)


def count_all(module: nn.Module, example_inputs: Sequence[Tensor], bits: int, macs: int) -> dict[str, int | float]:
    """Return each of ``COUNTS``, the network of so many MACs being traced once, and ``arena_exact``: whether no order
    of execution needs less than ``arena_bytes``."""
    flow = dataflow.trace(module, example_inputs)
    arena, is_exact = memory.arena(flow, bits)
    flash = memory.flash_bytes(module, bits)
    return {
        "memory_bytes": memory.of_largest_operator(flow, bits),
        "arena_bytes": arena,
        "arena_exact": is_exact,
        "flash_bytes": flash,
        "intensity": 2.0 * macs / (memory.of_activations(flow, bits) + flash),
    }


COUNTS: Mapping[str, Count] = {
    "memory_bytes": memory.peak_operator_bytes,
    "arena_bytes": memory.arena_bytes,
    "flash_bytes": flash_bytes,
    "intensity": intensity,
}
"""What counts each cost."""

"""What networks of a verdict cost: counted and traced for one example, and measured on one thread."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from autoshrink.cells.body import Body
from autoshrink.costs import latency, memory
from autoshrink.params.base import Section, Task
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

ROUNDS = 3
"""Times that each network's latency is measured, in turn, so that a busy moment does not fall on one alone."""


def costs(task: Task, body: Body, network: Section, example: Mapping[str, int]) -> dict[str, int]:
    """Return ``parameters``, ``macs`` and ``activation_bytes`` (peak, float32) of a network for one example."""
    counted = spec_of(task).count(body, network, example)[0]
    module, inputs = spec_of(task).example_network(body, network, example)
    found = {name: counted[name] for name in ("parameters", "macs")}
    return {**found, "activation_bytes": memory.peak_activation_bytes(module, inputs)}


def latencies(
    task: Task, networks: Mapping[str, tuple[Body, Section]], example: Mapping[str, int]
) -> tuple[dict[str, float], str]:
    """Return what one example takes each network, milliseconds on one CPU thread, and the device in words.

    The least of ``ROUNDS`` medians: other load on the machine only ever adds to it. Weights are random numbers.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        device = torch.device("cpu")
        built = {name: _runnable(task, *network, example) for name, network in networks.items()}
        measured = [
            {name: latency.measure(module, inputs, device) for name, (module, inputs) in built.items()}
            for _ in range(ROUNDS)
        ]
        return {name: round(min(times[name] for times in measured), 4) for name in built}, latency.device_name(device)
    finally:
        torch.set_num_threads(threads)


def _runnable(
    task: Task, body: Body, network: Section, example: Mapping[str, int]
) -> "tuple[nn.Module, Sequence[Tensor]]":
    module, inputs = spec_of(task).example_network(body, network, example)
    if any(parameter.is_meta for parameter in module.parameters()):
        module = module.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            # no zeros, infinities or denormal numbers, which take other times
            for tensor in [*module.parameters(), *module.buffers()]:
                if tensor.is_floating_point():
                    tensor.uniform_(0.01, 0.1, generator=generator)
                else:
                    tensor.zero_()
    return module, inputs

"""How long a network's layers take on the machine at hand: what calibrates the planner's counted work."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from autoshrink.planner.layers import Kind, Network
from autoshrink.runtime.products import product

REPETITIONS = 3

Seconds = dict[str, tuple[float, float, float]]
"""For each layer: seconds of its forward, error and gradient product."""


def measure(module: nn.Module, network: Network, shape: tuple[int, ...], batch: int) -> Seconds:
    """Return the seconds that each layer with weights takes for ``batch`` examples of ``shape``, on the CPU.

    Each product is timed by itself, the median of a few; ``module`` is filled with zeros.
    """
    module = module.to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.zero_()
    layers = {network.layers[index].name for index in network.weighted}
    inputs: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[name] = arguments[0].detach()

        return hook

    named = {name: layer for name, layer in module.named_modules() if name in layers}
    hooks = [layer.register_forward_pre_hook(remember(name)) for name, layer in named.items()]
    with torch.no_grad():
        module(torch.zeros(batch, *shape))
    for hook in hooks:
        hook.remove()
    return {name: _products(layer, inputs[name]) for name, layer in named.items()}


def measure_products(network: Network, batch: int) -> Seconds:
    """Return the same for a recurrent network, whose layers are matrix products alone; looking words up takes none.

    In the loop forward and error are a product for each time step, one after another; each gradient is one product over
    all time steps, as in training.
    """
    found: Seconds = {}
    for index in network.weighted:
        layer = network.layers[index]
        if layer.kind is Kind.EMBEDDING:
            found[layer.name] = 0.0, 0.0, 0.0
            continue
        rows = batch * layer.out_map
        times = network.loop.steps if network.loop is not None and index in network.loop else 1
        weight = torch.zeros(layer.out_channels, layer.in_channels)
        given, error = torch.zeros(layer.in_channels, rows // times), torch.zeros(layer.out_channels, rows // times)
        all_given, all_errors = torch.zeros(layer.in_channels, rows), torch.zeros(layer.out_channels, rows)
        found[layer.name] = (
            times * _median(partial(product, weight, given)),
            times * _median(partial(product, weight.t(), error)),
            _median(partial(product, all_errors, all_given.t())),
        )
    return found


def slowness(network: Network, seconds: Seconds, batch: int, speed: float) -> Seconds:
    """Return what each layer's counted work is multiplied by, so that a device of ``speed`` takes what was measured."""
    found: Seconds = {}
    for index in network.weighted:
        layer = network.layers[index]
        if not layer.macs:
            continue  # looks words up
        counted = 2.0 * layer.macs * batch / speed
        forward, error, gradient = seconds[layer.name]
        found[layer.name] = forward / counted, error / counted, gradient / counted
    return found


def _products(layer: nn.Module, given: Tensor) -> tuple[float, float, float]:
    given = given.clone().requires_grad_()
    output = layer(given)
    error = torch.ones_like(output)
    weight = next(layer.parameters())
    with torch.no_grad():
        forward = _median(lambda: layer(given))
    return (
        forward,
        _median(lambda: torch.autograd.grad(output, given, error, retain_graph=True)),
        _median(lambda: torch.autograd.grad(output, weight, error, retain_graph=True)),
    )


def _median(action: Callable[[], object]) -> float:
    action()
    taken = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)

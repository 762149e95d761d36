"""Splitting steepest descent: directions, gains and choice at second order."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from autoshrink.cells.cell import Cell
from autoshrink.params.vision import Growth, ImageNetwork
from autoshrink.tasks.vision import network
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.splitting import LENGTH, CurvedReLU, Splits

CELL = Cell.of(["conv_1x1", "separable_conv_3x3"], [(0, 1), (0, 2), (1, 2)])
SMOOTH = ImageNetwork(
    stem_filters=4, base_filters=4, stage_scales=[1.0], stage_cells=[1], stage_pools=[2], activation="silu"
)
BATCH: Batch = (torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(2)), torch.arange(8) % 3)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def batch() -> Batch:
    """Return images and labels in the default precision."""
    return BATCH[0].to(torch.get_default_dtype()), BATCH[1]


def splits(net: ImageNetwork = SMOOTH) -> tuple[network.CellNetwork, Splits]:
    """Return a network and the same with every split attached."""
    module = network.build(CELL, net, 3, 3, seed=4).train()
    state = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return module, Splits(CELL, net, 3, 3, state, 7, torch.device("cpu"))


def test_closed_gates_leave_the_function_as_it_is() -> None:
    """Also where ReLU has a curvature: only its second derivative is another."""
    for net in (SMOOTH, SMOOTH.model_copy(update={"activation": "relu"})):
        module, wide = splits(net)
        torch.testing.assert_close(wide.outputs(wide.gates(0.0), batch()[0]), module(batch()[0]), rtol=0, atol=1e-12)
        assert {neuron.kind for neuron in wide.neurons} == {"split"}


def test_a_gain_is_what_a_small_split_does_to_the_loss() -> None:
    """Minus half of d' S d, by the difference of losses at a small gate, neuron by neuron."""
    _, wide = splits()
    gains, size = wide.gains([batch()], nn.functional.cross_entropy), 1e-3
    closed = wide.loss(wide.gates(0.0), [batch()], nn.functional.cross_entropy)
    for neuron, gain in zip(wide.neurons, gains, strict=True):
        real = closed - wide.loss(wide.opened([neuron], size), [batch()], nn.functional.cross_entropy)
        assert real == pytest.approx(wide.predicted(gain, size), rel=1e-2, abs=1e-12)


def test_directions_turn_to_the_smallest_eigenvalue() -> None:
    """Against the splitting matrix of one neuron, row by row from products with unit vectors."""
    _, wide = splits()
    layer = next(layer for layer in wide._split if layer.name.endswith("nodes.1.conv"))
    fan_in = wide.state[f"{layer.name}.weight"][0].numel()
    kept, rows = wide.directions[layer.name], []
    for column in range(fan_in):
        unit = torch.zeros_like(kept)
        unit.flatten(1)[0, column] = 1.0
        wide.directions[layer.name] = unit
        products = wide._products(batch(), nn.functional.cross_entropy)
        rows.append(products[wide._split.index(layer)].flatten(1)[0, :fan_in])
    matrix = torch.stack(rows)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    least = float(torch.linalg.eigvalsh(matrix)[0])
    wide.directions[layer.name] = kept
    wide.tune([batch()] * 300, nn.functional.cross_entropy)
    direction = wide.directions[layer.name].flatten(1)[0, :fan_in]
    length = LENGTH * wide.state[f"{layer.name}.weight"][0].norm()
    torch.testing.assert_close(direction.norm(), length)
    found = float(direction @ matrix @ direction / direction.square().sum())
    assert least < 0
    assert found == pytest.approx(least, rel=0.02)
    gain = wide.gains([batch()], nn.functional.cross_entropy)[int(layer.outputs.gate[0])]
    assert gain == pytest.approx(-found * float(length) ** 2 / 2)


def test_relu_has_a_softplus_curvature() -> None:
    """Value and slope are ReLU's; the second derivative is that of softplus with beta 3."""
    x = torch.tensor([-0.7, 0.2, 1.5], requires_grad=True)
    y = CurvedReLU()(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    soft = torch.tensor([-0.7, 0.2, 1.5], requires_grad=True)
    (first,) = torch.autograd.grad(nn.functional.softplus(soft, beta=3).sum(), soft, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), soft)
    assert torch.equal(y, x.relu()) and slope.tolist() == [0.0, 1.0, 1.0]
    torch.testing.assert_close(curvature, second)


def test_layers_are_refused() -> None:
    """Splitting knows none: one line says so when the parameters are read."""
    with pytest.raises(ValueError, match=r"kind splitting adds no layers; accepted: null, or kind: firefly"):
        Growth(kind="splitting", depth="conv_1x1")

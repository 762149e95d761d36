import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autoshrink.cells import released
from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.errors import UserError
from autoshrink.params.vision import ImageNetwork
from autoshrink.tasks.vision import network
from tests.unit.tasks.vision.analytic_cost import count

SEPARABLE, POINT, FULL = "separable_conv_3x3", "conv_1x1", "conv_3x3"
CELLS = {
    "empty": Cell.of([], []),
    "one": Cell.of([POINT], [(0, 1)]),
    "released": released.load("shrinkcnn-a").cell,
    "complete": Cell.complete([SEPARABLE, POINT, FULL, SEPARABLE]),
    "input is a leaf no more": Cell.of([FULL, POINT], [(0, 2)]).pruned(),
}
NETWORKS = {
    "plain": ImageNetwork(),
    "wide": ImageNetwork(
        stem_stride=2, stage_cells=[2, 1, 2], stage_pools=[1, 2, 3], channel_scale=1.4, head_filters=24
    ),
    "bare": ImageNetwork(residual=False, activation="silu", background_class=True, dropout=0.2),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS.keys())
def test_costs_agree_with_an_independent_count(cell: Cell, net: ImageNetwork) -> None:
    """ptflops on the executed operations counts what the paper's rules, multiplied out, give."""
    module = network.skeleton(cell, net, 3, 10)
    measured = counting.measure(module, [torch.zeros(1, 3, 29, 29)])  # 29 divides by nothing
    expected = count(cell, net, 3, 29, 10)
    assert measured == {
        "parameters": expected.parameters,
        "macs": expected.macs,
        "parameters_with_batch_norm": expected.parameters + expected.norm_parameters,
        "macs_with_batch_norm": expected.macs + expected.norm_macs,
    }


@pytest.mark.parametrize("name", ["shrinkcnn-a", "shrinkcnn-b"])
def test_the_released_networks_cost_what_the_paper_prints(name: str) -> None:
    """3.601 M parameters and 383.7 M MACs, of which the residual projections are 0.085 M and 26.3 M."""
    cell = released.load(name)
    assert isinstance(cell.network, ImageNetwork)
    module = network.skeleton(cell.cell, cell.network, 3, 1000)
    total = counting.measure(module, [torch.zeros(1, 3, 224, 224)])
    assert f"{total['parameters'] / 1e6:.3f} {total['macs'] / 1e6:.1f}" == "3.601 383.7"
    projections = [layer.projection for layer in module.modules() if isinstance(layer, network.CellModule)]
    weights = [layer.conv.weight for layer in projections if not isinstance(layer, nn.Identity)]
    assert len(weights) == 5
    assert sum(weight.numel() for weight in weights) == 85_280


def test_the_released_swiftnet_network() -> None:
    """With biases (batch norm folded), pooling and additions it takes 57.37 M operations; it runs and trains."""
    found = released.load("swiftnet")
    assert isinstance(found.network, ImageNetwork)
    module = network.skeleton(found.cell, found.network, 3, 2)
    assert [cell.out_channels for cell in module.modules() if isinstance(cell, network.CellModule)] == [48, 80, 76]
    total = counting.measure(module, [torch.zeros(1, 3, 224, 224)])
    convolutions = total["macs"] - (76 * 2 + 2)
    biases = total["macs_with_batch_norm"] - total["macs"]
    cell_ends = 48 * 28**2 + 80 * 14**2 + 76 * 7**2
    pooled = 32 * 56**2 + cell_ends  # the average pool reads the last cell's end, the max-pools the others'
    assert (convolutions, convolutions + biases + pooled + cell_ends) == (56_156_352, 57_372_336)
    built = network.build(found.cell, found.network, 3, 2, seed=1).train()
    built(torch.rand(2, 3, 224, 224)).sum().backward()
    assert all(parameter.grad is not None for parameter in built.parameters())
    with pytest.raises(UserError, match="2 cells for 3 stages"):
        network.skeleton(Cell.of_stages(found.cells[:2]), found.network, 3, 2)


def test_a_projecting_cell_computes_what_straight_line_code_computes() -> None:
    """Leaves with their activation, concatenated and projected; plus the pooled input, projected; then ReLU."""
    net = ImageNetwork(cell_end="project", stage_outputs=[5, 6, 7])
    cell = Cell.of(["conv_1x1", "conv_1x1"], [(0, 1), (0, 2)])
    module = network.CellModule(cell, 3, 4, 2, net, outputs=5).eval()
    x = torch.rand(2, 3, 6, 6)
    pooled = nn.functional.max_pool2d(x, 2)
    leaves = torch.cat([module.nodes[node](pooled) for node in "12"], 1)
    assert (leaves >= 0).all()
    assert torch.equal(module(x), torch.relu(module.join(leaves) + module.projection(pooled)))
    assert (module.out_channels, tuple(module(x).shape)) == (5, (2, 5, 3, 3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell_end": "project"}, "stage_outputs is for cell_end project"),
        ({"stage_outputs": [1, 2, 3]}, "stage_outputs is for cell_end project"),
        ({"cell_end": "project", "stage_outputs": [1, 2]}, "one entry per stage, found 2 for 3"),
    ],
)
def test_a_projecting_cell_needs_its_widths(values: dict[str, object], message: str) -> None:
    """The two keys go together, one width per stage."""
    with pytest.raises(ValueError, match=message):
        ImageNetwork.model_validate(values)


def plain_released_cell(module: network.CellModule, x: Tensor, pool: int) -> Tensor:
    """The released cell written out by hand, in one straight line, on ``module``'s weights."""
    state = dict(module.state_dict())

    def conv(y: Tensor, name: str, groups: int = 1, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        y = F.conv2d(y, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), unbiased=False, keepdim=True)
        scale, shift = state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]
        return (y - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]

    node0 = F.max_pool2d(x, pool)
    node1 = conv(node0, "nodes.1.depthwise", groups=node0.shape[1]).relu()
    node1 = conv(node1, "nodes.1.pointwise").relu()
    node2 = conv(node0, "nodes.2.depthwise", groups=node0.shape[1]).relu()
    node2 = conv(node2, "nodes.2.pointwise").relu()
    input3 = torch.cat([node0, node1], 1)
    node3 = conv(input3, "nodes.3.depthwise", groups=input3.shape[1]).relu()
    node3 = conv(node3, "nodes.3.pointwise")  # a leaf: linear
    node4 = conv(torch.cat([node0, node2], 1), "nodes.4")  # a leaf: linear
    return torch.cat([node3, node4], 1) + conv(x, "projection", stride=pool)


@pytest.mark.parametrize("pool", [1, 2])
def test_a_cell_is_its_equations_written_out(pool: int) -> None:
    """The module computes, forwards and backwards, what straight-line code for the released cell computes."""
    net = ImageNetwork(base_filters=12)  # 2 x 12 channels out of 16: a projection, whatever the pool
    built = network.build(CELLS["released"], net.model_copy(update={"stage_pools": [pool, 2, 2]}), 3, 10, seed=5)
    module = built.get_submodule("stage0.0")
    assert isinstance(module, network.CellModule)
    x = torch.randn(4, 16, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    module = module.double().train()
    expected = plain_released_cell(module, x, pool)
    torch.testing.assert_close(module(x), expected)
    (gradient,) = torch.autograd.grad(module(x).square().sum(), x)
    (expected_gradient,) = torch.autograd.grad(expected.square().sum(), x)
    torch.testing.assert_close(gradient, expected_gradient)


def test_a_residual_is_the_input_itself_where_shapes_agree() -> None:
    """Equal channels and resolution need no projection; more channels or a pool do."""
    cell, net = Cell.of([POINT], [(0, 1)]), ImageNetwork()
    assert isinstance(network.CellModule(cell, 8, 8, 1, net).projection, nn.Identity)
    assert not isinstance(network.CellModule(cell, 8, 12, 1, net).projection, nn.Identity)
    assert not isinstance(network.CellModule(cell, 8, 8, 2, net).projection, nn.Identity)


def test_the_empty_cell_passes_its_input_on() -> None:
    """When every edge has fallen, the cell is node 0: the pooled input plus the residual."""
    module = network.CellModule(CELLS["empty"], 4, 8, 1, ImageNetwork())
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(module(x), 2 * x)


def test_leaves_are_linear_only_in_a_residual_cell() -> None:
    """Without a residual, leaves keep their activation; a separable leaf always keeps the one between its halves."""
    cell = Cell.of([SEPARABLE], [(0, 1)])
    residual = network.CellModule(cell, 4, 8, 1, ImageNetwork()).nodes["1"]
    bare = network.CellModule(cell, 4, 8, 1, ImageNetwork(residual=False)).nodes["1"]
    assert isinstance(residual.depthwise.activation, nn.ReLU)
    assert isinstance(residual.pointwise.activation, nn.Identity)
    assert isinstance(bare.pointwise.activation, nn.ReLU)


def test_initial_weights_depend_on_seed_and_name_alone() -> None:
    """Building anything before, or a larger network, changes no tensor of the same name and shape."""
    first = network.build(CELLS["complete"], ImageNetwork(), 1, 10, seed=3).state_dict()
    torch.rand(7)
    second = network.build(CELLS["complete"], ImageNetwork(stage_cells=[1, 1, 2]), 1, 10, seed=3).state_dict()
    other = network.build(CELLS["complete"], ImageNetwork(), 1, 10, seed=4).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    """No draw of ours moves anybody else's stream."""
    before = torch.random.get_rng_state()
    network.build(CELLS["complete"], ImageNetwork(), 1, 10, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weight_decay_spares_depthwise_weights_norms_and_biases() -> None:
    """Every parameter is in exactly one group, and only dense convolutions and the classifier are decayed."""
    module = network.build(CELLS["complete"], ImageNetwork(), 1, 10, seed=3)
    groups: list[dict[str, Any]] = network.decay_groups(module, 1e-4)
    decayed, free = groups
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    decayed_names = {names[id(parameter)] for parameter in decayed["params"]}
    free_names = {names[id(parameter)] for parameter in free["params"]}
    assert decayed_names | free_names == set(names.values())
    assert not decayed_names & free_names
    expected = {name for name in names.values() if name.endswith("conv.weight") and "depthwise" not in name}
    assert decayed_names == expected | {"classifier.weight"}
    assert (decayed["weight_decay"], free["weight_decay"]) == (1e-4, 0.0)


def test_residual_projections_may_decay_at_their_own_strength() -> None:
    """The released search decays them twice as strongly as the other weights."""
    module = network.build(CELLS["complete"], ImageNetwork(), 1, 10, seed=3)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups: list[dict[str, Any]] = network.decay_groups(module, 2e-5, 4e-5)
    strengths = {names[id(parameter)]: group["weight_decay"] for group in groups for parameter in group["params"]}
    assert set(strengths) == set(names.values())
    projections = {name for name, strength in strengths.items() if strength == 4e-5}
    assert projections == {name for name in strengths if name.endswith("projection.conv.weight")} != set()


def test_glorot_normal_is_truncated_at_two_deviations_as_tensorflows() -> None:
    """No weight lies beyond two deviations, and their deviation is Glorot's."""
    module = network.build(CELLS["complete"], ImageNetwork(initialisation="glorot_normal"), 3, 1000, seed=3)
    weight = module.classifier.weight
    deviation = math.sqrt(2 / sum(weight.shape))
    assert weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert weight.abs().max().item() <= 2 * deviation / network.TRUNCATED_DEVIATION


def test_an_operator_of_another_task_is_named() -> None:
    """An RNN's cell makes no image network, and the error says what would."""
    with pytest.raises(UserError, match=r"'tanh'.*accepted: separable_conv_3x3"):
        network.skeleton(Cell.of(["tanh"], [(0, 1)]), ImageNetwork(), 3, 10)

"""Operators: shapes, costs and equations, joined inputs, and one that another package offers."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autoshrink.cells.cell import Cell
from autoshrink.cells.looks import LOOKS
from autoshrink.costs import counting
from autoshrink.errors import ParameterError, UserError
from autoshrink.params import search
from autoshrink.params.base import Task
from autoshrink.params.loading import load
from autoshrink.params.vision import ImageNetwork
from autoshrink.runtime import code as runtime
from autoshrink.tasks import code
from autoshrink.tasks.vision import network
from autoshrink.tasks.vision.operators import OPERATORS, operator
from tests.unit.evaluation.small_candidates import image_candidates

NETWORK = ImageNetwork()
OWN = '''
from torch import nn

class Ghost(nn.Module):
    """A 1 x 1 convolution with a scale of its own."""

    def __init__(self, in_channels, out_channels, network, *, linear):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.norm = nn.GroupNorm(1, out_channels)

    def forward(self, x):
        return self.norm(self.conv(x))

class Halving(Ghost):
    def forward(self, x):
        return super().forward(x)[:, :, ::2]

class Unset(Ghost):
    def __init__(self, *arguments, **keys):
        super().__init__(*arguments, **keys)
        self.scale = nn.Parameter(__import__("torch").ones(()))

def broken(in_channels, out_channels, network, *, linear):
    raise RuntimeError("no such thing")
'''


def counted(name: str, inputs: int, outputs: int, net: ImageNetwork = NETWORK) -> dict[str, int]:
    return counting.measure(operator(name, inputs, outputs, net, linear=False), [torch.zeros(1, inputs, 6, 5)])


@pytest.mark.parametrize("squeeze", [0.0, 0.25])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_keeps_the_resolution_and_trains(name: str, squeeze: float) -> None:
    """(B, in, H, W) becomes (B, out, H, W), equal or different channels, and every weight gets a gradient."""
    net = NETWORK.model_copy(update={"squeeze_excitation": squeeze})
    for outputs in (6, 4):
        module = operator(name, 6, outputs, net, linear=False)
        x = torch.randn(2, 6, 7, 5, requires_grad=True)
        y = module(x)
        assert y.shape == (2, outputs, 7, 5)
        y.square().sum().backward()
        assert x.grad is not None
        assert all(parameter.grad is not None for parameter in module.parameters())


def test_the_operators_have_names_and_looks() -> None:
    """What the parameters accept, what can be built and what can be drawn are the same; no two look alike."""
    assert set(OPERATORS) == set(get_args(search.ImageOperator)) <= set(LOOKS)
    assert set(get_args(search.Activation)) <= set(LOOKS)
    for names in (OPERATORS, get_args(search.Activation)):
        assert len({(LOOKS[name].fill, LOOKS[name].shape) for name in names}) == len(names)
        assert len({LOOKS[name].short for name in names}) == len(names)


def test_operators_cost_what_their_equations_say() -> None:
    """Parameters without batch norm, at 6 to 4 channels; pools and skips are free where channels agree."""
    sizes = {
        "separable_conv_3x3": 9 * 6 + 6 * 4,
        "separable_conv_5x5": 25 * 6 + 6 * 4,
        "conv_1x1": 6 * 4,
        "conv_3x3": 9 * 6 * 4,
        "inverted_residual": 6 * 24 + 9 * 24 + 24 * 4,
        "max_pool_3x3": 6 * 4,
        "avg_pool_3x3": 6 * 4,
        "skip_connect": 6 * 4,
    }
    assert {name: counted(name, 6, 4)["parameters"] for name in OPERATORS} == sizes
    assert {name: counted(name, 6, 4)["macs"] for name in OPERATORS} == {
        name: 30 * size for name, size in sizes.items()
    }
    for name in ("max_pool_3x3", "avg_pool_3x3", "skip_connect"):
        assert set(counted(name, 6, 6).values()) == {0}
    excited = NETWORK.model_copy(update={"squeeze_excitation": 0.5, "expansion": 2})
    assert counted("inverted_residual", 6, 4, excited)["parameters"] == (6 * 12 + 9 * 12 + 12 * 4) + (
        12 * 6 * 2 + 12 + 6
    )


def test_an_inverted_residual_is_torchvisions() -> None:
    """The same weights give torchvision's outputs, whose activation is ReLU6."""
    from torchvision.models.mobilenetv2 import InvertedResidual

    for outputs in (6, 4):
        ours = operator("inverted_residual", 6, outputs, NETWORK, linear=False).eval()
        theirs = InvertedResidual(6, outputs, 1, 4).eval()
        values = [value for key, value in ours.state_dict().items()]
        theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
        x = torch.rand(2, 6, 5, 5)
        torch.testing.assert_close(ours(x), theirs(x))


def test_nodes_may_add_their_inputs() -> None:
    """Node 2 reads the sum of node 0, projected to the stage's width, and node 1; the leaf is the cell's output."""
    net = ImageNetwork(node_inputs="add", residual=False)
    cell = Cell.of(["conv_1x1", "skip_connect"], [(0, 1), (0, 2), (1, 2)])
    module = network.CellModule(cell, 3, 4, 2, net).eval()
    x = torch.rand(2, 3, 6, 6)
    first = module.entry(F.max_pool2d(x, 2))
    assert torch.allclose(module(x), first + module.nodes["1"](first))
    whole = network.build(Cell.complete(list(OPERATORS)), ImageNetwork(node_inputs="add"), 3, 5, 1)
    whole(torch.rand(2, 3, 12, 12)).sum().backward()
    assert all(parameter.grad is not None for parameter in whole.parameters())
    with pytest.raises(ValueError, match="nodes whose inputs are added have one width"):
        ImageNetwork(node_inputs="add", node_widths={"stage0.0.1": 3})


def test_a_candidate_of_all_operators_trains_alike_twice() -> None:
    """The proxy trains a cell of every operator, with the same numbers each time."""
    make: Any = image_candidates()[0]
    _, proxy, data, seed, device, deterministic = make.args
    cell = Cell.complete(list(OPERATORS))
    results = []
    for _ in range(2):
        trial = make.func(cell, proxy, data, seed, device, deterministic)
        trial.run_epoch()
        results.append(trial.run_epoch())
    assert results[0] == results[1]
    assert results[0]["train_loss"] is not None


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that offers operators."""
    (tmp_path / "own_operators.py").write_text(OWN)
    (tmp_path / "own-1.0.dist-info").mkdir()
    (tmp_path / "own-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    names = {"ghost": "Ghost", "halving": "Halving", "unset": "Unset", "broken": "broken", "conv_1x1": "Halving"}
    lines = [f"{name} = own_operators:{target}" for name, target in names.items()]
    (tmp_path / "own-1.0.dist-info" / "entry_points.txt").write_text(
        "\n".join(["[autoshrink.operators]", *lines]) + "\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for cache in (search.offered_operators, runtime.digest, runtime.reached, runtime._file, runtime._parsed):
        cache.cache_clear()
    yield
    sys.modules.pop("own_operators", None)
    search.offered_operators.cache_clear()


@pytest.mark.usefixtures("own")
def test_an_operator_of_ones_own_is_searched_with_by_its_name() -> None:
    """The parameters accept it, networks are built with it, weights are drawn by name, and its code is identity."""
    parameters = load([], ["search.cnn.operators=[ghost, conv_1x1]"])
    assert parameters.search.cnn.operators == ["ghost", "conv_1x1"]
    cell = Cell.complete(["ghost", "conv_1x1"])
    one, other, third = (network.build(cell, NETWORK, 3, 5, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
    weight = "stage0.0.nodes.1.conv.weight"
    assert not torch.equal(one.state_dict()[weight], third.state_dict()[weight])
    norm = one.get_submodule("stage0.0.nodes.1.norm")
    assert isinstance(norm, nn.GroupNorm)
    assert torch.equal(norm.weight, torch.ones(len(norm.weight)))
    plain, owned = (code.evaluator(Task.CNN, "trial", operators=[name]) for name in ("conv_1x1", "ghost"))
    assert plain != owned
    assert plain == code.evaluator(Task.CNN, "trial")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("halving", r"own_operators:Halving\): turns \(2, 16, 7, 5\) into \(2, 8, 4, 5\); expected \(2, 8, 7, 5\)"),
        ("unset", "stage0.0.nodes.1: a Unset has weights or buffers but no reset_parameters"),
        ("broken", "RuntimeError: no such thing"),
        ("magic", "'magic' is none of an image cell, nor offered under the entry point group autoshrink.operators"),
    ],
)
def test_an_operator_that_is_none_is_told_in_one_line(name: str, message: str) -> None:
    """One that changes shapes, cannot be initialised, fails, or is not there."""
    with pytest.raises(UserError, match=message) as raised:
        network.build(Cell.of([name], [(0, 1)]), NETWORK, 3, 5, 1)
    assert "\n" not in str(raised.value)


def test_an_unknown_operator_is_refused_with_those_there_are() -> None:
    """The parameters name the key, what was found and what is accepted."""
    with pytest.raises(ParameterError, match=r"operators\.0 = 'conv_9x9'.*'conv_1x1'.*entry point group autoshrink"):
        load([], ["search.cnn.operators=[conv_9x9]"])

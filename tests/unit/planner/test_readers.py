"""Networks read from torch modules and ONNX files: their sizes, their edges, and operators that are not known."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autoshrink.cells import released
from autoshrink.errors import UserError
from autoshrink.planner.layers import Kind, Network
from autoshrink.planner.readers import modules, onnx_files, profiling
from autoshrink.tasks.vision import network as images


class Branching(nn.Module):
    """A fork, a concatenation that two layers read, a depthwise layer, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.first, self.second = nn.Conv2d(12, 6, 1), nn.Conv2d(12, 6, 1)
        self.dense = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = torch.max_pool2d(torch.relu(self.stem(x)), 2)
        both = torch.cat([self.left(x), self.right(x)], 1)
        return self.dense((self.first(both) + self.second(both)).mean((2, 3)))


def edges(network: Network) -> list[tuple[str, str, int]]:
    """Return the edges by their layers' names."""
    names = [layer.name for layer in network.layers]
    return [(names[edge.source], names[edge.target], edge.elements) for edge in network.edges]


def check_branching(network: Network, batch: int) -> None:
    """Check the layers and edges of ``Branching`` for images of 8 x 8, whatever the names."""
    assert network.batch == batch
    stem, left, right, joint, first, second, added, dense = network.layers
    assert [layer.kind for layer in network.layers] == [
        Kind.CONVOLUTION,
        Kind.CONVOLUTION,
        Kind.DEPTHWISE,
        Kind.JOIN,
        Kind.CONVOLUTION,
        Kind.CONVOLUTION,
        Kind.JOIN,
        Kind.DENSE,
    ]
    assert (stem.in_map, stem.out_map, left.in_map) == (64, 64, 16)
    assert [source.elements for source in joint.sources] == [64, 128]
    assert first.sources == second.sources
    assert [source.elements for source in added.sources] == [96, 96]
    assert dense.sources[0].elements == 6
    assert (right.weights, right.groups, dense.weights) == (72, 8, 30)
    assert (stem.needs_input_error, left.needs_input_error) == (False, True)


def test_a_torch_module_is_read() -> None:
    network = modules.read("branching", Branching(), (3, 8, 8), 16)
    check_branching(network, 16)
    assert edges(network)[0] == ("stem", "left", 8 * 16)  # after the pool


def test_an_onnx_file_is_read_as_the_module_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "branching.onnx"
    torch.onnx.export(Branching().eval(), (torch.zeros(1, 3, 8, 8),), str(path), dynamo=False)
    check_branching(onnx_files.read(path, 16), 16)


@pytest.mark.parametrize(
    ("name", "layers", "weights"),
    # convolutions' and dense layers' weights alone, which the published counts exceed by biases and batch norm
    [("vgg16", 16, 138_344_128), ("resnet50", 54, 25_502_912), ("alexnet", 8, 61_090_496)],
)
def test_torchvisions_classifiers_are_read(name: str, layers: int, weights: int) -> None:
    network = modules.torchvision_network(name, 224, 512)
    assert len(network.weighted) == layers
    assert network.weights == weights


def test_a_released_cells_network_has_the_published_cost() -> None:
    found = released.load("shrinkcnn-a")
    module = images.skeleton(found.cell, found.network, found.example["channels"], found.example["classes"])  # type: ignore[arg-type]
    network = modules.read("shrinkcnn-a", module, (3, 224, 224), 512)
    assert round(network.macs / 1e6, 1) == 383.7  # as `autoshrink cost` counts it
    assert len(network.weighted) == 134


def test_an_operator_that_is_not_known_is_named_with_its_layer() -> None:
    with pytest.raises(
        UserError, match=r"^vit_b_16: layer encoder.layers.encoder_layer_0.self_attention has the operator"
    ):
        modules.torchvision_network("vit_b_16", 224, 512)


def test_an_onnx_operator_that_is_not_known_is_named_with_its_layer(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up")
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 4, 4]) for name in ("x",)]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 2, 1, 1], [0.0] * 4)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 4])
    path = tmp_path / "up.onnx"
    onnx.save(helper.make_model(helper.make_graph([node], "g", tensors, [result], [weight])), str(path))
    with pytest.raises(UserError, match=r"layer up has the operator ConvTranspose, which the planner does not know"):
        onnx_files.read(path, 4)


def test_a_file_that_is_no_onnx_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"x.onnx: is no valid ONNX model") as caught:
        onnx_files.read(path, 4)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_nothing_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^vgg99: neither a file, nor a released cell, nor a classifier"):
        modules.torchvision_network("vgg99", 224, 512)


def test_a_calibrated_device_takes_what_was_measured() -> None:
    """The planner's time for a whole network on the measured device is the sum of its layers' measured times."""
    from autoshrink.planner.array import Accelerator, Array, uniform
    from autoshrink.planner.fitting import best_plan
    from autoshrink.planner.planning import Settings
    from autoshrink.planner.timing import Costing

    module = Branching()
    network = modules.read("branching", module, (3, 8, 8), 4)
    seconds = profiling.measure(module, network, (3, 8, 8), 4)
    assert set(seconds) == {network.layers[index].name for index in network.weighted}
    slowness = profiling.slowness(network, seconds, 4, 1e9)
    settings = Settings(slowness=slowness)
    array = Array("this machine", uniform(Accelerator("here", 1e9, 1e12, 1e9), 1))
    planned = Costing(network, array, settings).parts(best_plan(network, array, settings)).total / 1e12
    expected = sum(sum(item) for item in seconds.values()) - seconds["stem"][1]  # images need no error
    assert planned == pytest.approx(expected, rel=1e-6)

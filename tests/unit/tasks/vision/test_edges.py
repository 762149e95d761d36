"""Missing edges as neurons: attached without effect, scored by what opening them would gain."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.params.vision import ImageEarlyStop, ImageNetwork, ImageProxy, ImageProxyTraining
from autoshrink.tasks.vision import network
from autoshrink.tasks.vision.edges import EdgeTrial, attached, missing
from autoshrink.tasks.vision.proxy import ImageTrial, ProxyData
from tests.device import DEVICE

OPERATORS = ["separable_conv_3x3", "conv_3x3", "conv_1x1", "separable_conv_5x5"]
CHAIN = Cell.of(OPERATORS, [(0, 1), (1, 2), (2, 3), (3, 4)])
PROXY = ImageProxy(
    network=ImageNetwork(
        stem_filters=4, base_filters=4, stage_scales=[1.0, 2.0], stage_cells=[1, 2], stage_pools=[1, 2]
    ),
    training=ImageProxyTraining(epochs=2, batch_size=6),
    early_stop=ImageEarlyStop(train_accuracy_ceiling=1.0, floor_accuracy=0.0, loss_ratio=100.0),
)


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def data(device: torch.device = DEVICE) -> ProxyData:
    """Return images of two classes, one bright and one dark."""
    generator = torch.Generator().manual_seed(1)
    images, labels = [], []
    for count in (30, 12):
        labels.append(torch.arange(count) % 2)
        noise = torch.randint(0, 128, (count, 8, 8, 1), generator=generator)
        images.append((noise + 100 * labels[-1].view(-1, 1, 1, 1)).to(torch.uint8))
    return ProxyData(images[0], labels[0], images[1], labels[1], (0.5,), (0.3,), 2).to(device)


def images() -> Tensor:
    """Return a batch (B, C, H, W)."""
    return torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def test_edges_out_of_leaves_are_not_missing() -> None:
    """They would take a leaf out of the cell's output, which no gate undoes."""
    assert missing(CHAIN) == [(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)]
    assert missing(Cell.of(["conv_1x1"] * 3, [(0, 1), (0, 2), (2, 3)])) == [(0, 3)]


@pytest.mark.usefixtures("_double")
def test_closed_gates_leave_the_function_as_it_is() -> None:
    """With every missing edge attached, training-mode outputs are equal to rounding; an open gate changes them."""
    module = network.build(CHAIN, PROXY.network, 1, 2, seed=5).train()
    wide = attached(CHAIN, PROXY, data(torch.device("cpu")), module, missing(CHAIN), 7, torch.device("cpu"))
    assert wide.count == 6
    torch.testing.assert_close(wide.outputs(wide.gates(0.0), images()), module(images()), rtol=0, atol=1e-12)
    for gate in range(6):
        one = wide.gates(0.0)
        one[gate] = 1.0
        assert float((wide.outputs(one, images()) - module(images())).abs().max().detach()) > 1e-6


@pytest.mark.usefixtures("_double")
def test_a_gain_is_what_opening_the_gate_does_to_the_loss() -> None:
    """For one edge the integrated gradient is the difference of the losses, but for the integration's error."""
    module = network.build(CHAIN, PROXY.network, 1, 2, seed=5).train()
    wide = attached(CHAIN, PROXY, data(torch.device("cpu")), module, [(1, 4)], 7, torch.device("cpu"))
    batches = [(images(), torch.arange(6) % 2)]
    wide.tune(batches * 5, nn.functional.cross_entropy)
    (gain,) = wide.gains(batches, nn.functional.cross_entropy)
    real = wide.loss(wide.gates(0.0), batches, nn.functional.cross_entropy) - wide.loss(
        wide.gates(1.0), batches, nn.functional.cross_entropy
    )
    assert real > 0.01
    assert gain == pytest.approx(real, rel=0.05)


def test_training_is_the_candidates_own_and_scoring_repeats() -> None:
    """Metrics and history are those of the training without edges; gains are the same each time, the network's
    weights stay, and held-out images are not read after training."""

    def run(trial: ImageTrial) -> ImageTrial:
        while not trial.done:
            trial.run_epoch()
        return trial

    plain = run(ImageTrial(CHAIN, PROXY, data(), 9, DEVICE, True)).result()
    trial = run(EdgeTrial(CHAIN, PROXY, data(), 9, DEVICE, True, 2))
    before = [value.clone() for value in trial._module.state_dict().values()]
    object.__setattr__(trial._data, "validation_images_NHWC", None)
    found = trial.result()
    assert found.model_copy(update={"edges": ()}) == plain
    assert [item.edge for item in found.edges] == missing(CHAIN)
    assert all(item.gain is not None for item in found.edges)
    assert all(torch.equal(a, b) for a, b in zip(before, trial._module.state_dict().values(), strict=True))
    assert run(EdgeTrial(CHAIN, PROXY, data(), 9, DEVICE, True, 2)).result() == found

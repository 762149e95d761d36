"""Known architectures' blocks stand in a cell's place, are trained by our recipe and loaded again."""

import pytest
import torch
from torchvision.models.mobilenetv2 import InvertedResidual

from autoshrink.cells.body import KnownBlock
from autoshrink.costs import counting
from autoshrink.errors import UserError
from autoshrink.params.vision import REFERENCE_BLOCKS, ImageNetwork
from autoshrink.tasks.vision import blocks, network

SMALL = ImageNetwork(stem_filters=4, base_filters=6, channel_divisor=1, stage_pools=[1, 2, 3])


@pytest.mark.parametrize("name", REFERENCE_BLOCKS)
def test_every_block_forms_a_classifier(name: str) -> None:
    """At any width and pool, shapes fit, every weight is drawn by name, and the skeleton takes them."""
    first, second = (network.build(KnownBlock(name), SMALL, 3, 5, seed=7) for _ in range(2))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    assert first(torch.randn(2, 3, 13, 13)).shape == (2, 5)
    network.skeleton(KnownBlock(name), SMALL, 3, 5).load_state_dict(first.state_dict(), assign=True)


def test_a_block_is_torchvisions_own() -> None:
    """Stage 1 of the MobileNetV2-like network costs what torchvision's block costs."""
    built = network.skeleton(KnownBlock("mobilenet_v2"), SMALL, 3, 5)
    counted = counting.measure(built.get_submodule("stage1"), [torch.zeros(1, 6, 12, 12)])
    assert counted == counting.measure(InvertedResidual(6, 12, 2, 6), [torch.zeros(1, 6, 12, 12)])


def test_batch_norm_is_the_networks() -> None:
    """Momentum and epsilon are those of the skeleton around the block, not of its paper."""
    chosen = SMALL.model_copy(update={"batch_norm_momentum": 0.7, "batch_norm_epsilon": 0.01})
    norms = [
        layer
        for layer in blocks.block(KnownBlock("shufflenet_v2"), 4, 8, 1, chosen).modules()
        if isinstance(layer, torch.nn.BatchNorm2d)
    ]
    assert {(round(norm.momentum or 0, 6), norm.eps) for norm in norms} == {(0.3, 0.01)}


def test_an_unknown_block_is_refused() -> None:
    """One line names what is accepted."""
    with pytest.raises(UserError, match="did you mean 'mobilenet_v2'"):
        network.skeleton(KnownBlock("mobilenet_v22"), SMALL, 3, 5)

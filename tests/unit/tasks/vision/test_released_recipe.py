"""What the released TensorFlow code does otherwise than PyTorch's habits, as the paper preset asks for it."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from autoshrink import params
from autoshrink.cells import released
from autoshrink.params import Parameters
from autoshrink.tasks.vision import files, network, recipe

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def paper() -> Parameters:
    """The paper's preset."""
    return params.load([ROOT / "params.yaml", ROOT / "workflow" / "presets" / "paper.yaml"])


@pytest.fixture(scope="module")
def module(paper: Parameters) -> network.CellNetwork:
    """ShrinkCNN-A's ImageNet network, initialised."""
    return network.build(released.load("shrinkcnn-a").cell, paper.training.cnn.network, 3, 1000, 7)


def test_weights_start_by_fan_out_and_the_classifier_small(module: network.CellNetwork) -> None:
    """The stem's deviation is sqrt(2 / (9 x 44)) = 0.071, cut off at two of the normal's; the classifier's 0.01."""
    stem = module.stem.conv.weight  # type: ignore[union-attr]
    assert isinstance(stem, torch.Tensor)
    assert stem.std().item() == pytest.approx(0.0711, rel=0.05)
    assert stem.abs().max().item() < 2.01 * 0.0711 / network.TRUNCATED_DEVIATION
    assert module.classifier.weight.std().item() == pytest.approx(0.01, rel=0.01)


def test_the_stem_pads_to_the_right_and_below(module: network.CellNetwork) -> None:
    """At stride 2 TensorFlow's SAME begins at the first pixel: nothing left of it is padded."""
    stem = module.stem.conv  # type: ignore[union-attr]
    image = torch.zeros(1, 3, 8, 8)
    image[0, :, 0, 0] = 1.0
    touched = stem(image).abs().sum(1)[0] > 0  # type: ignore[operator]
    assert touched[0, 0] and touched.sum() == 1
    assert stem(image).shape[-2:] == (4, 4)  # type: ignore[operator]


def test_the_rate_warms_up_for_ten_epochs_then_falls_as_a_cosine(paper: Parameters) -> None:
    """0.05 at epoch 5, the peak of 0.1 where the cosine begins, half of it in the middle, almost none at the end."""
    wanted = paper.training.cnn
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=wanted.learning_rate)
    schedule = recipe.schedule(optimizer, wanted, steps_per_epoch=5000)
    rates = {}
    for epoch in (0, 5, 10, 155, 299):
        schedule.step(epoch)
        rates[epoch] = optimizer.param_groups[0]["lr"]
    assert rates == pytest.approx({0: 0.0, 5: 0.05, 10: 0.1, 155: 0.05, 299: 2.9e-6}, abs=1e-6)


def test_averaged_weights_keep_the_present_statistics(paper: Parameters) -> None:
    """The moving average holds weights alone; batch norm's statistics are the trained network's own."""
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    average = recipe.averaged(module, paper.training.cnn)
    assert average is not None
    with torch.no_grad():
        module[0].weight.fill_(1.0)
        module[1].running_mean.fill_(3.0)
    before = average.module[0].weight.clone()  # type: ignore[index]
    average.update(module)
    torch.testing.assert_close(average.module[1].running_mean, module[1].running_mean)  # type: ignore[index]
    torch.testing.assert_close(average.module[0].weight, 0.999 * before + 0.001)  # type: ignore[index]


def test_brightness_is_added_alike_to_every_value() -> None:
    """TensorFlow adds one draw, at most 0.4 of white, where torchvision would multiply."""
    grey = Image.new("RGB", (2, 2), (110, 130, 150))
    torch.manual_seed(3)
    changed = [files.AddedBrightness(0.4)(grey).getpixel((0, 0)) for _ in range(200)]
    added = [first - 110 for first, _, _ in changed]
    assert all(
        (first - 110, second - 130, third - 150) == (by, by, by)
        for by, (first, second, third) in zip(added, changed, strict=True)
    )
    assert -102 <= min(added) < -90 and 90 < max(added) <= 102

import json
from typing import Any

import pytest
import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.root import PaperDefects
from autoshrink.params.vision import ImageNetwork, ImageProxy, ImageProxyTraining
from autoshrink.records.evaluation import TrialResult
from autoshrink.runtime import devices
from autoshrink.tasks.vision import proxy, zero_cost
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.dropout import NamedDropout
from autoshrink.tasks.vision.proxy import ImageTrial, ProxyData
from tests.device import DEVICE

SOUND = PaperDefects()


def small(dropout: float = 0.0, **training: Any) -> ImageProxy:
    network = ImageNetwork(
        stem_filters=4, base_filters=4, stage_scales=[1.0], stage_cells=[1], stage_pools=[2], dropout=dropout
    )
    return ImageProxy.model_validate(
        {
            "train_per_class": 12,
            "validation_per_class": 8,
            "network": network,
            "training": {"epochs": 3, "batch_size": 9, **training},
        }
    )


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_a_draw_is_balanced_disjoint_and_out_of_the_training_split(arrays: PreparedImages) -> None:
    """Both parts hold equally many of each class, share no image, and none of them is a test image."""
    drawn = proxy.draw(arrays, small(), 7, SOUND)
    assert torch.bincount(drawn.train_labels_N).tolist() == [12, 12, 12]
    assert torch.bincount(drawn.validation_labels_N).tolist() == [8, 8, 8]
    train, validation = rows(drawn.train_images_NHWC), rows(drawn.validation_images_NHWC)
    assert len(train) == 36
    assert len(validation) == 24
    assert not train & validation
    assert train | validation == rows(torch.from_numpy(arrays.split("train").images_NHWC))


def test_a_draw_follows_the_seed(arrays: PreparedImages) -> None:
    """The same seed draws the same images, another seed others; the digest tells them apart."""
    assert proxy.draw(arrays, small(), 7, SOUND).digest == proxy.draw(arrays, small(), 7, SOUND).digest
    assert proxy.draw(arrays, small(), 7, SOUND).digest != proxy.draw(arrays, small(), 8, SOUND).digest


def test_too_few_images_are_told(arrays: PreparedImages) -> None:
    """12 + 9 of a class's 20 images cannot be had."""
    wanted = small().model_copy(update={"validation_per_class": 9})
    with pytest.raises(DataError, match=r"class 'class-0' .* has 20 training images.*12.*9"):
        proxy.draw(arrays, wanted, 7, SOUND)


def test_the_paper_s_defects_do_what_they_say(arrays: PreparedImages) -> None:
    """Validation from the test split, and with replacement, only when switched on."""
    test_images = rows(torch.from_numpy(arrays.split("test").images_NHWC))
    drawn = proxy.draw(arrays, small(), 7, PaperDefects(validation_from_test_split=True))
    assert rows(drawn.validation_images_NHWC) <= test_images
    drawn = proxy.draw(arrays, small(), 7, PaperDefects(validation_with_replacement=True))
    assert len(drawn.validation_labels_N) == 24
    assert len(rows(drawn.validation_images_NHWC)) < 24


@pytest.fixture(scope="module")
def drawn(arrays: PreparedImages) -> ProxyData:
    return proxy.draw(arrays, small(), 7, SOUND).to(DEVICE)


def finished(candidate: ImageTrial) -> TrialResult:
    while not candidate.done:
        candidate.run_epoch()
    return candidate.result()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_candidate_trains_the_same_whatever_trains_beside_it(cell: Cell, drawn: ProxyData, dropout: float) -> None:
    """Alone, or epoch by epoch in turn with another: the same history, to the last bit."""
    settings = small(dropout)
    alone = finished(ImageTrial(cell, settings, drawn, 3, DEVICE, True))
    one, other = (ImageTrial(cell, settings, drawn, seed, DEVICE, True) for seed in (3, 4))
    while not one.done:
        torch.manual_seed(0)
        other.run_epoch()
        one.run_epoch()
    assert one.result().to_json() == alone.to_json()
    assert other.result() != alone


def test_a_result_reports_the_best_epoch(cell: Cell, drawn: ProxyData) -> None:
    """Accuracy and loss are those of the best epoch, and the task is learnt well above chance."""
    result = finished(ImageTrial(cell, small(epochs=8), drawn, 3, DEVICE, True))
    best = result.history[result.metrics["best_epoch"]]
    assert result.metrics["accuracy"] == best["validation_accuracy"]
    assert result.metrics["accuracy"] == max(record["validation_accuracy"] for record in result.history)
    assert result.metrics["loss"] == best["validation_loss"]
    assert result.metrics["accuracy"] > 0.6
    assert result.costs["macs"] > 0
    assert [record["steps"] for record in result.history] == [4] * len(result.history)


def test_a_diverged_candidate_has_no_accuracy(cell: Cell, drawn: ProxyData) -> None:
    """An absurd learning rate ends in no number at all, which nothing can rank first; and in valid JSON."""
    result = finished(ImageTrial(cell, small(learning_rate=1e30), drawn, 3, DEVICE, True))
    assert result.stopped == "not finite"
    assert result.metrics == {"accuracy": None, "loss": None, "best_epoch": None}
    json.dumps(result.to_json(), allow_nan=False)


def test_an_epoch_ends_once_the_training_images_are_learnt(cell: Cell, drawn: ProxyData) -> None:
    """Past the ceiling of the moving training accuracy, the rest of the epoch is not run."""
    eager = small().model_copy(
        update={"early_stop": small().early_stop.model_copy(update={"train_accuracy_ceiling": 0.0})}
    )
    record = ImageTrial(cell, eager, drawn, 3, DEVICE, True).run_epoch()
    assert record["steps"] < 4


def test_a_batch_larger_than_the_proxy_is_told(cell: Cell, drawn: ProxyData) -> None:
    """With every batch dropped as partial, nothing would be trained."""
    with pytest.raises(DataError, match="batch_size = 37"):
        ImageTrial(cell, small(batch_size=37), drawn, 3, DEVICE, True)


def test_the_last_batch_is_filled_where_asked_for(arrays: PreparedImages, cell: Cell) -> None:
    """As released: 48 images in batches of 32 are two steps, not one; the second begins the epoch anew."""
    training = ImageProxyTraining(batch_size=32, epochs=1, fill_last_batch=True)
    wanted = ImageProxy(train_per_class=16, validation_per_class=4, training=training)
    drawn = proxy.draw(arrays, wanted, 1, PaperDefects()).to(DEVICE)
    trial = proxy.ImageTrial(cell, wanted, drawn, 1, DEVICE, True)
    assert trial.run_epoch()["steps"] == 2


def test_dropout_keeps_the_mean_and_changes_every_step() -> None:
    """A mask holds 0 and 1 / (1 - p) by seed and name alone; a step has its own; evaluation drops nothing."""
    layer, same, other = (NamedDropout(0.25, 3, 40, 500, DEVICE) for _ in range(3))
    for one, name in ((layer, "a"), (same, "a"), (other, "b")):
        torch.rand(3)
        one.draw(1, name)
        one.choose(torch.tensor([1], device=DEVICE))
    assert torch.equal(layer.mask_BF, same.mask_BF) and not torch.equal(layer.mask_BF, other.mask_BF)
    assert sorted(set(layer.mask_BF.flatten().tolist())) == pytest.approx([0.0, 1 / 0.75])
    assert float(layer.mask_BF.mean()) == pytest.approx(1.0, abs=0.02)
    same.choose(torch.tensor([2], device=DEVICE))
    assert not torch.equal(layer.mask_BF, same.mask_BF)
    x_BF = torch.ones(40, 500, device=DEVICE)
    assert torch.equal(layer(x_BF), layer.mask_BF) and torch.equal(layer.eval()(x_BF), x_BF)


def test_an_untrained_network_is_judged_by_name(cell: Cell, drawn: ProxyData) -> None:
    """The gradient's norm under dropout depends on the seed, and on no other draw of the process."""
    found = []
    for seed in (1, 1, 2):
        torch.rand(3)
        found.append(zero_cost.rank(cell, small(0.5), drawn, seed, DEVICE, "gradient_norm")[0])
    assert found[0] == found[1] != found[2]


def test_channels_first_trains_the_same_network(cell: Cell, drawn: ProxyData, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other layout reaches every convolution, and its numbers differ by rounding only."""
    last = ImageTrial(cell, small(epochs=1), drawn, 3, DEVICE, True).run_epoch()
    monkeypatch.setattr(devices, "image_layout", lambda device: torch.contiguous_format)
    trial = ImageTrial(cell, small(epochs=1), drawn, 3, DEVICE, True)
    strides = []
    for layer in trial._module.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, inputs, __: strides.append(inputs[0].stride(1)))
    assert trial.run_epoch() == pytest.approx(last, rel=1e-3)
    assert strides and 1 not in strides

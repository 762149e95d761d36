import json
from typing import Any

import pytest
import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.root import PaperDefects
from autoshrink.params.vision import ImageNetwork, ImageProxy, ImageProxyTraining
from autoshrink.records.evaluation import TrialResult
from autoshrink.tasks.vision import proxy
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.proxy import ImageTrial, ProxyData

CPU = torch.device("cpu")
SOUND = PaperDefects()


def small(**training: Any) -> ImageProxy:
    network = ImageNetwork(stem_filters=4, base_filters=4, stage_scales=[1.0], stage_cells=[1], stage_pools=[2])
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
    return proxy.draw(arrays, small(), 7, SOUND)


def finished(candidate: ImageTrial) -> TrialResult:
    while not candidate.done:
        candidate.run_epoch()
    return candidate.result()


def test_a_candidate_trains_the_same_whatever_trains_beside_it(cell: Cell, drawn: ProxyData) -> None:
    """Alone, or epoch by epoch in turn with another: the same history, to the last bit."""
    alone = finished(ImageTrial(cell, small(), drawn, 3, CPU, True))
    one, other = ImageTrial(cell, small(), drawn, 3, CPU, True), ImageTrial(cell, small(), drawn, 4, CPU, True)
    while not one.done:
        torch.manual_seed(0)
        other.run_epoch()
        one.run_epoch()
    assert one.result().to_json() == alone.to_json()
    assert other.result() != alone


def test_a_result_reports_the_best_epoch(cell: Cell, drawn: ProxyData) -> None:
    """Accuracy and loss are those of the best epoch, and the task is learnt well above chance."""
    result = finished(ImageTrial(cell, small(epochs=8), drawn, 3, CPU, True))
    best = result.history[result.metrics["best_epoch"]]
    assert result.metrics["accuracy"] == best["validation_accuracy"]
    assert result.metrics["accuracy"] == max(record["validation_accuracy"] for record in result.history)
    assert result.metrics["loss"] == best["validation_loss"]
    assert result.metrics["accuracy"] > 0.6
    assert result.costs["macs"] > 0
    assert [record["steps"] for record in result.history] == [4] * len(result.history)


def test_a_diverged_candidate_has_no_accuracy(cell: Cell, drawn: ProxyData) -> None:
    """An absurd learning rate ends in no number at all, which nothing can rank first; and in valid JSON."""
    result = finished(ImageTrial(cell, small(learning_rate=1e30), drawn, 3, CPU, True))
    assert result.stopped == "not finite"
    assert result.metrics == {"accuracy": None, "loss": None, "best_epoch": None}
    json.dumps(result.to_json(), allow_nan=False)


def test_an_epoch_ends_once_the_training_images_are_learnt(cell: Cell, drawn: ProxyData) -> None:
    """Past the ceiling of the moving training accuracy, the rest of the epoch is not run."""
    eager = small().model_copy(
        update={"early_stop": small().early_stop.model_copy(update={"train_accuracy_ceiling": 0.0})}
    )
    record = ImageTrial(cell, eager, drawn, 3, CPU, True).run_epoch()
    assert record["steps"] < 4


def test_a_batch_larger_than_the_proxy_is_told(cell: Cell, drawn: ProxyData) -> None:
    """With every batch dropped as partial, nothing would be trained."""
    with pytest.raises(DataError, match="batch_size = 37"):
        ImageTrial(cell, small(batch_size=37), drawn, 3, CPU, True)


def test_the_last_batch_is_filled_where_asked_for(arrays: PreparedImages, cell: Cell) -> None:
    """As released: 48 images in batches of 32 are two steps, not one; the second begins the epoch anew."""
    training = ImageProxyTraining(batch_size=32, epochs=1, fill_last_batch=True)
    wanted = ImageProxy(train_per_class=16, validation_per_class=4, training=training)
    drawn = proxy.draw(arrays, wanted, 1, PaperDefects())
    trial = proxy.ImageTrial(cell, wanted, drawn, 1, torch.device("cpu"), True)
    assert trial.run_epoch()["steps"] == 2

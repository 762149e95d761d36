"""A model used on files of a person's own gives what its final test gave."""

from pathlib import Path

import pytest
from PIL import Image

from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.inference import models
from autoshrink.params.base import Task
from autoshrink.tasks.language import prediction as text
from autoshrink.tasks.vision import data
from autoshrink.tasks.vision import prediction as images


def metrics(run: Path, task: Task) -> dict[str, float]:
    content = artifacts.read_sealed(run / "results" / task / "shrink-0" / "metrics.json", "metrics", 1)
    found: dict[str, float] = content["metrics"]
    return found


@pytest.fixture(scope="session")
def photographs(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the test split as PNG files in a folder per class."""
    folder = tmp_path_factory.mktemp("photographs")
    prepared = data.load(run / "data" / "digits")
    split = prepared.split("test")
    for number, (image_HWC, label) in enumerate(zip(split.images_NHWC, split.labels_N, strict=True)):
        path = folder / prepared.classes[label] / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image_HWC[:, :, 0]).save(path)
    return folder


def test_held_out_folder_gives_the_metrics_accuracy(run: Path, photographs: Path) -> None:
    """The accuracy on the test split's images as files is the one the final test measured."""
    trained = models.find(run / "results")
    found = list(images.predict(trained.folder, images.find(photographs), 3))
    accuracy = sum(item.is_right for item in found) / len(found)
    assert len(found) == 300
    assert accuracy == metrics(run, Task.CNN)["accuracy_top1"]
    assert accuracy > 0.5
    assert all(1.0001 > sum(value for _, value in item.best) > 0 and len(item.best) == 3 for item in found)


def test_image_of_another_size_and_colour(run: Path, tmp_path: Path) -> None:
    """A large colour image in no class's folder is brought to the network's size and has no truth."""
    Image.new("RGB", (90, 61), (200, 30, 10)).save(tmp_path / "red.jpg")
    (found,) = images.predict(models.find(run / "results").folder, images.find(tmp_path), 1)
    assert found.truth is None
    assert not found.is_right


def test_broken_image_is_named(run: Path, tmp_path: Path) -> None:
    """A file that is no image ends in one line with its name."""
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png: does not decode"):
        list(images.predict(models.find(run / "results").folder, images.find(tmp_path), 1))


def test_folder_without_images(tmp_path: Path) -> None:
    """A folder that holds no image says which files it looked for."""
    with pytest.raises(DataError, match=r"holds no image.*\.png"):
        images.find(tmp_path)


def test_held_out_text_gives_the_metrics_perplexity(run: Path) -> None:
    """The perplexity on the test file is the one the final test measured, rare words and capitals included."""
    found = text.predict(models.find(run / "results", Task.RNN).folder, run / "test.txt", 4)
    assert found.perplexity == pytest.approx(metrics(run, Task.RNN)["perplexity"], rel=1e-6)
    assert found.words == sum(len(line.split()) + 1 for line in (run / "test.txt").read_text().splitlines())
    values = [value for _, value in found.following]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)


def test_next_words_follow_the_last_word(run: Path, tmp_path: Path) -> None:
    """After the full stop the model expects the line's end, not a further word."""
    path = tmp_path / "letter.txt"
    path.write_text("The cat sees a bird .\nThe dog hears the cat .\n", encoding="utf-8")
    found = text.predict(models.find(run / "results", Task.RNN).folder, path, 1)
    assert found.following[0][0] == "<eos>"
    assert found.unknown == 0


def test_unknown_words_are_counted_or_refused(run: Path, tmp_path: Path) -> None:
    """A word the model does not know counts as unknown; a model without ``<unk>`` names it and refuses."""
    path = tmp_path / "letter.txt"
    path.write_text("the zebra sees a bird .", encoding="utf-8")
    assert text.predict(models.find(run / "results", Task.RNN).folder, path, 1).unknown == 1
    with pytest.raises(DataError, match="'zebra' is none of the 2 words"):
        text.encode([["the", "zebra"]], ["<eos>", "the"], path)

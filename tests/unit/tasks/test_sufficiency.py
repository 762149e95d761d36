"""What prepared data is too small for is told before anything is trained."""

from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.errors import DataError
from autoshrink.params.base import Task
from autoshrink.tasks import address, sufficiency
from autoshrink.tasks.spec import spec_of
from tests.unit.tasks import made_manifests

ROOT = Path(__file__).parents[3]


def checked(folder: Path, *settings: str) -> None:
    under = params.load([ROOT / "params.default.yaml"], [f"paths.data={folder}"])
    settings_of = {name: under.datasets[name].model_dump(mode="json") for name in ("mnist5k", "sotu")}
    made_manifests.images(settings=settings_of["mnist5k"]).write(address.manifest(under, "mnist5k"))
    made_manifests.text(21062, 1009, 835, settings=settings_of["sotu"]).write(address.manifest(under, "sotu"))
    sufficiency.check(params.load([ROOT / "params.default.yaml"], [f"paths.data={folder}", *settings]))


def test_the_default_data_is_large_enough(tmp_path: Path) -> None:
    """The default parameters fit the default data, and data that is not prepared yet is not judged."""
    checked(tmp_path)
    sufficiency.check(params.load([ROOT / "params.default.yaml"], [f"paths.data={tmp_path / 'nothing'}"]))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.cnn.batch_size=50000", r"^training\.cnn\.batch_size = 50000: .* at most that many$"),
        ("training.cnn.validation_per_class=500", r"^training\.cnn\.validation_per_class = 500: .* only 400 images"),
        ("proxy.cnn.train_per_class=5000", r"^proxy\.cnn: train_per_class 5000 .* only 400 .* ask for fewer$"),
        ("proxy.cnn.training.batch_size=50000", r"^proxy\.cnn\.training\.batch_size = 50000: .* at most that many$"),
        (
            "proxy.rnn.train_lines=30000",
            r"^proxy\.rnn\.train_lines = 30000: .* only 21062; accepted: at most that",
        ),
        *(
            (f"training.rnn.{key}=9000000", rf"^training\.rnn\.{key} = 9000000: the {split} split .* at most \d+$")
            for key, split in (
                ("batch_size", "train"),
                ("evaluation_batch_size", "validation"),
                ("test_batch_size", "test"),
            )
        ),
    ],
)
def test_too_little_data_is_told_in_one_line(tmp_path: Path, setting: str, says: str) -> None:
    """Each mistake names its key, what there is, and what is accepted."""
    with pytest.raises(DataError, match=says):
        checked(tmp_path, setting)


def test_one_image_of_a_class_is_too_few_to_search_on() -> None:
    """Nothing smaller can be asked for, so the line names the class and what it needs."""
    parameters = params.load([ROOT / "params.default.yaml"])
    manifest = made_manifests.images(train=1, test=1)
    said = list(spec_of(Task.CNN).shortages(parameters, "mnist5k", manifest))
    assert said and "has one training image; a search needs 2 at least" in said[0] and "ask for fewer" not in said[0]


def test_data_of_other_settings_is_not_judged(tmp_path: Path) -> None:
    """Data that was prepared otherwise will be prepared anew: what it lacks now is no mistake."""
    checked(tmp_path, "proxy.cnn.train_per_class=440", "datasets.mnist5k.test_per_class=10")

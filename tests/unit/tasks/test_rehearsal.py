"""What check passes does not stop the final training after the whole search."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from autoshrink import params
from autoshrink.cli import main
from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.tasks import address, rehearsal, sufficiency

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of each of two classes, 16 x 16."""
    folder = tmp_path_factory.mktemp("raw")
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(8):
            Image.fromarray(draws.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f"{number}.png")
    return folder


def parameters(raw: Path, folder: Path, storage: str = "array", *settings: str) -> Parameters:
    overlay = folder / "mine.yaml"
    mine = {"source": "imagefolder", "folder": str(raw), "storage": storage, "image_size": 16}
    searched = {**mine, "storage": "array"}
    training = {
        "dataset": "mine",
        "epochs": 2,
        "batch_size": 4,
        "network": {"stem_stride": 1, "stage_scales": [1.0], "stage_cells": [1], "stage_pools": [1]},
    }
    values = {
        "tasks": ["cnn"],
        "paths": {"data": str(folder / "data")},
        "datasets": {"mine": mine, "searched": searched},
        "proxy": {"cnn": {"dataset": "searched", "train_per_class": 2, "validation_per_class": 2}},
        "training": {"cnn": training},
    }
    overlay.write_text(yaml.safe_dump(values))
    return params.load([overlay], ["proxy.cnn.training.batch_size=2", *settings])


def prepared(raw: Path, folder: Path, storage: str = "array") -> None:
    from autoshrink.tasks.vision import data

    chosen = parameters(raw, folder, storage, "training.cnn.image_size=16")
    data.prepare("mine", chosen.datasets["mine"], address.folder(chosen, "mine"), folder, chosen.seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("color_jitter=0.4", r"augmentation\.color_jitter = 0\.4: needs images that stay in their files"),
        ("crop_area=[0.2, 1.0]", r"augmentation\.crop_area = \[0\.2, 1\.0\]: needs images"),
        ("random_resize_kernel=true", r"augmentation\.random_resize_kernel = True: needs images"),
        ("rand_augment=rand-m9-mstd0.5", r"augmentation\.rand_augment = 'rand-m9-mstd0\.5': needs images"),
    ],
)
def test_augmentation_that_arrays_cannot_have_is_told_before_anything_is_prepared(
    raw: Path, tmp_path: Path, setting: str, why: str
) -> None:
    with pytest.raises(UserError, match=why):
        sufficiency.check(parameters(raw, tmp_path, "array", f"training.cnn.augmentation.{setting}"))


@pytest.mark.parametrize("size", [24, 8])
def test_an_image_size_that_is_not_the_data_s_is_told(raw: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(UserError, match=rf"training\.cnn\.image_size = {size}: .* at 16 x 16; accepted here: null"):
        sufficiency.check(parameters(raw, tmp_path, "array", f"training.cnn.image_size={size}"))


def test_images_in_files_need_a_size(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training\.cnn\.image_size: is required"):
        sufficiency.check(parameters(raw, tmp_path, "files"))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("rand_augment=nonsense", "rand_augment = 'nonsense'"),
        ("rand_augment=rand-x9", "rand_augment = 'rand-x9'"),
        ("crop_area=[1.0, 0.2]", "crop_area needs the least first"),
        ("crop_aspect=[2.0, 0.5]", "crop_aspect needs the least first"),
    ],
)
def test_policies_and_bounds_are_checked_when_they_are_read(raw: Path, tmp_path: Path, setting: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parameters(raw, tmp_path, "array", f"training.cnn.augmentation.{setting}")


@pytest.mark.parametrize("policy", ["rand", "rand-m9-mstd0.5", "rand-m9-n3-mstd0.5-inc1", "rand-n2-p0.5-t1"])
def test_every_accepted_policy_is_one_of_timm_s(policy: str) -> None:
    import re

    from timm.data.auto_augment import rand_augment_transform

    from autoshrink.params.vision import RAND_AUGMENT

    assert re.fullmatch(RAND_AUGMENT, policy)
    rand_augment_transform(policy, {})


def test_a_recipe_that_fits_takes_its_first_step(raw: Path, tmp_path: Path) -> None:
    """Of arrays and of files, with all that is drawn at random switched on."""
    prepared(raw, tmp_path)
    assert rehearsal.check(parameters(raw, tmp_path)) == ["cnn: the final training takes its first step on mine"]
    everything = [
        "training.cnn.image_size=16",
        "training.cnn.augmentation={mixup: 0.2, cutmix: 1.0, erase: 0.5, color_jitter: 0.4, crop_area: [0.2, 1.0], "
        "rand_augment: rand-m9, horizontal_flip: 0.5}",
        "training.cnn.ema_decay=0.9",
        "training.cnn.label_smoothing=0.1",
    ]
    (tmp_path / "files").mkdir()
    prepared(raw, tmp_path / "files", "files")
    assert rehearsal.check(parameters(raw, tmp_path / "files", "files", *everything))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("training.cnn.batch_size=64", r"training\.cnn\.batch_size = 64: .* accepted: at most that many"),
        ("training.cnn.validation_per_class=7", r"training\.cnn\.validation_per_class = 7: .* has only 6"),
    ],
)
def test_a_recipe_that_cannot_begin_is_told_once_its_data_is_prepared(
    raw: Path, tmp_path: Path, setting: str, why: str
) -> None:
    prepared(raw, tmp_path)
    with pytest.raises(UserError, match=why) as caught:
        rehearsal.check(parameters(raw, tmp_path, "array", setting))
    assert "\n" not in str(caught.value)


def test_whatever_a_library_raises_is_one_line(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autoshrink.tasks.vision import recipe

    def fails(*_: object) -> None:
        raise RuntimeError("shapes\ndo not fit")

    prepared(raw, tmp_path)
    monkeypatch.setattr(recipe, "optimizer", fails)
    with pytest.raises(UserError, match=r"^training\.cnn: the first step .* fails \(shapes do not fit\)"):
        rehearsal.check(parameters(raw, tmp_path))


def test_prepare_tells_it_too(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    """On a first run nothing is prepared when the run is checked: the step that prepares the data stops the run."""
    monkeypatch.chdir(tmp_path)
    parameters(raw, tmp_path)
    words = ["prepare", "mine", "--params", "mine.yaml", "--set", "proxy.cnn.training.batch_size=2"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--set", "training.cnn.batch_size=64"])
    assert ended.value.code == 2

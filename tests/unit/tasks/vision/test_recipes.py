"""The augmentation that the kind of data asks for."""

import pytest

from autoshrink.params.base import Task
from autoshrink.params.loading import load
from autoshrink.tasks.spec import spec_of

MOVES = ("pad_crop", "horizontal_flip", "rotation", "translation", "zoom")
GLYPHS = (0, 0.0, 12.0, 0.08, 0.1)
OWN = "datasets.own={source: imagefolder, folder: x, image_size: 64"


@pytest.mark.parametrize(
    ("settings", "moves"),
    [
        (["training.cnn.dataset=mnist5k"], GLYPHS),
        (["training.cnn.dataset=digits"], GLYPHS),
        (["training.cnn.dataset=cifar10"], (4, 0.5, 0.0, 0.0, 0.0)),
        (["training.cnn.dataset=fashion-mnist"], (3, 0.5, 0.0, 0.0, 0.0)),
        ([f"{OWN}}}", "training.cnn.dataset=own"], (8, 0.5, 0.0, 0.0, 0.0)),
        ([f"{OWN}, color: grey}}", "training.cnn.dataset=own"], GLYPHS),
        ([f"{OWN}, show: glyphs}}", "training.cnn.dataset=own"], GLYPHS),
        (["training.cnn={dataset: cifar10, augmentation: {rotation: 5.0, pad_crop: 0}}"], (0, 0.5, 5.0, 0.0, 0.0)),
    ],
)
def test_the_kind_of_data_chooses_and_any_parameter_overrides(settings: list[str], moves: tuple[float, ...]) -> None:
    """Photographs are mirrored and cropped, glyphs turned, shifted and zoomed; what is set is not touched."""
    parameters = load([], settings)
    spec = spec_of(Task.CNN)
    augmentation = spec.training(parameters).augmentation
    assert tuple(getattr(augmentation, key) for key in MOVES) == moves
    said = spec.recipe_in_words(parameters)
    assert all(f"{key} {value:g}" in said for key, value in zip(MOVES, moves, strict=True))
    assert said.startswith(f"{parameters.training.cnn.dataset} shows ")

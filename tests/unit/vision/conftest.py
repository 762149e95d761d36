from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoshrink.cell import Cell
from autoshrink.params.data import ImageFolder
from autoshrink.vision import data
from autoshrink.vision.data import PreparedImages


def draw_photographs(folder: Path, per_class: dict[str, int], classes: int = 3) -> None:
    """Write small images of which each class is bright elsewhere; some grey, some of odd sizes, JPEG and PNG."""
    generator = np.random.default_rng(0)
    for split, count in per_class.items():
        for label in range(classes):
            target = folder / split / f"class-{label}"
            target.mkdir(parents=True)
            for index in range(count):
                size = (14 + index % 3, 14 + index % 5)
                pixels = generator.integers(0, 120, (*size, 3), np.uint8)
                pixels[label * 4 : label * 4 + 4] += 120
                image = Image.fromarray(pixels)
                if index % 4 == 0:
                    image = image.convert("L")
                image.save(target / (f"{index:03}.png" if index % 2 else f"{index:03}.JPEG"))


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of photographs: 20 training and 8 test images of each of 3 classes."""
    folder = tmp_path_factory.mktemp("photographs")
    draw_photographs(folder, {"train": 20, "val": 8})
    return folder


def prepared(photographs: Path, folder: Path, storage: str) -> PreparedImages:
    """Prepare the photographs into ``folder``."""
    entry = ImageFolder.model_validate(
        {"source": "imagefolder", "folder": str(photographs), "storage": storage, "image_size": 12}
    )
    data.prepare("photographs", entry, folder, folder / "downloads", seed=1)
    return data.load(folder)


@pytest.fixture(scope="session")
def arrays(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedImages:
    """The photographs as arrays of 12 x 12."""
    return prepared(photographs, tmp_path_factory.mktemp("arrays"), "array")


@pytest.fixture(scope="session")
def files(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedImages:
    """The photographs left in their files."""
    return prepared(photographs, tmp_path_factory.mktemp("files"), "files")


@pytest.fixture(scope="session")
def cell() -> Cell:
    """A small cell with both operators and two leaves."""
    return Cell.of(["separable_conv_3x3", "conv_1x1", "conv_1x1"], [(0, 1), (1, 2), (0, 3)])

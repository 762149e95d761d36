from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.tasks.vision.data import PreparedImages
from tests.unit.tasks.vision.taken import draw_photographs, prepared


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of photographs: 20 training and 8 test images of each of 3 classes."""
    folder = tmp_path_factory.mktemp("photographs")
    draw_photographs(folder, {"train": 20, "val": 8})
    return folder


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

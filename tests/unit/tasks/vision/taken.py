"""Photographs to try things on: drawn, and prepared."""

from pathlib import Path

import numpy as np
from PIL import Image

from autoshrink.params.data import ImageFolder
from autoshrink.tasks.vision import data
from autoshrink.tasks.vision.data import PreparedImages


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


def prepared(photographs: Path, folder: Path, storage: str) -> PreparedImages:
    """Prepare the photographs into ``folder``."""
    entry = ImageFolder.model_validate(
        {"source": "imagefolder", "folder": str(photographs), "storage": storage, "image_size": 12}
    )
    data.prepare("photographs", entry, folder, folder / "downloads", seed=1)
    return data.load(folder)

"""Random data of the real data's size and form, for measuring speed where the real data is not at hand."""

from pathlib import Path

import numpy as np
from PIL import Image

from autoshrink.params.data import ImageFolder, OwnText

CLASSES = 10


def pictures(folder: Path, per_class: int) -> ImageFolder:
    """Write ``per_class`` training pictures of CIFAR's size for each of ten classes, and a test picture of each."""
    generator = np.random.default_rng(0)
    for split, count in (("train", per_class), ("test", 1)):
        for label in range(CLASSES):
            place = folder / split / f"class-{label}"
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png", compress_level=1)
    return ImageFolder(source="imagefolder", folder=str(folder), image_size=32)


def photographs(folder: Path, count: int) -> ImageFolder:
    """Write ``count`` training JPEGs of 500 x 375 pixels in two classes: ten pictures, each with a corner its own."""
    generator = np.random.default_rng(0)
    kinds = []
    for _ in range(10):
        small = generator.integers(0, 256, (25, 34, 3), dtype=np.uint8)
        noise = generator.normal(0, 12, (375, 500, 3))
        smooth = np.asarray(Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC), dtype=np.float64)
        kinds.append(Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8)))
    for index in range(count + 2):
        place = folder / ("train" if index < count else "val") / f"class-{index % 2}"
        place.mkdir(parents=True, exist_ok=True)
        picture = kinds[index % len(kinds)].copy()
        picture.paste(tuple(generator.integers(0, 256, 3).tolist()), (0, 0, 32, 32))  # no two are the same
        picture.save(place / f"{index}.jpg", quality=90)
    return ImageFolder(source="imagefolder", folder=str(folder), storage="files")


def text(folder: Path, words: int, lines: int) -> OwnText:
    """Write ``lines`` lines of 21 words out of ``words``, and a twelfth as many for validation and for the test."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for split, count in (("train", lines), ("validation", max(lines // 12, 60)), ("test", max(lines // 12, 60))):
        numbers = generator.integers(0, words, (count, 21))
        if split == "train":
            numbers.flat[: min(words, numbers.size)] = np.arange(min(words, numbers.size))  # every word occurs
        paths[split] = folder / f"{split}.txt"
        paths[split].write_text("\n".join(" ".join(f"w{word}" for word in line) for line in numbers.tolist()) + "\n")
    train, validation, test = map(str, paths.values())
    return OwnText(source="text", train=train, validation=validation, test=test)

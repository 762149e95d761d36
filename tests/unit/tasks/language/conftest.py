"""Small texts for the tests of the package ``language``."""

from pathlib import Path
from typing import Any

import pytest

from autoshrink.params.data import OwnText
from autoshrink.runtime import seeds
from autoshrink.tasks.language import data
from autoshrink.tasks.language.data import PreparedText

WORDS = [f"w{number}" for number in range(20)]


def write_text(path: Path, lines: int, name: str) -> Path:
    """Write lines in which a word is mostly followed by its successor, so that there is something to learn."""
    generator = seeds.numpy_generator(1, name)
    text = []
    for _ in range(lines):
        word, line = int(generator.integers(len(WORDS))), []
        for _ in range(int(generator.integers(4, 9))):
            line.append(WORDS[word])
            follows = generator.random() < 0.8
            word = (word + 1) % len(WORDS) if follows else int(generator.integers(len(WORDS)))
        text.append(" ".join(line))
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def own_text(folder: Path) -> OwnText:
    """Write three files into ``folder`` and return the entry that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {
        split: str(write_text(folder / f"{split}.txt", lines, split))
        for split, lines in (("train", 150), ("validation", 40), ("test", 40))
    }
    return OwnText(source="text", **files)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> PreparedText:
    """A prepared text of about 1,000 training tokens over 21 words."""
    folder = tmp_path_factory.mktemp("text")
    data.prepare("own", own_text(folder / "raw"), folder / "prepared", folder / "downloads", 1)
    return data.load(folder / "prepared")

"""Running prose: split where it is asked for, pointed out where it is not."""

import logging
from pathlib import Path
from typing import Any

import pytest

from autoshrink.params.data import OwnText
from autoshrink.tasks.language import data, prediction, text
from autoshrink.tasks.language.records import TextOrigin

PROSE = """It was late, and Mr. Poe slept. "Who knocks?" he asked;
nobody answered.

The wind, the rain: nothing more. It was 1845.
"""
WORDS = "it was late , and mr . poe slept .\nnothing more , nothing less .\n" * 3


def prepared(folder: Path, content: str, *, prose: bool = False) -> data.PreparedText:
    """Return a text whose splits differ in a word, prepared."""
    for part in ("train", "validation", "test"):
        (folder / f"{part}.txt").write_text(f"{content}\n{part}\n")
    files = {part: str(folder / f"{part}.txt") for part in ("train", "validation", "test")}
    entry = OwnText.model_validate({"source": "text", "prose": prose, **files})
    data.prepare("own", entry, folder / "out", folder, 1)
    return data.load(folder / "out")


def test_prose_is_split_into_sentences_and_words(tmp_path: Path) -> None:
    """A paragraph's lines are joined first, so that a sentence may go over a line's end."""
    (tmp_path / "a.txt").write_text(PROSE)
    said = [" ".join(line) for line in text.read_prose(tmp_path / "a.txt")]
    assert said == [
        "it was late , and mr . poe slept .",
        '" who knocks ? " he asked ; nobody answered .',
        "the wind , the rain : nothing more .",
        "it was N .",
    ]


def test_without_blank_lines_each_line_is_a_paragraph(tmp_path: Path) -> None:
    """A title does not run into what follows it."""
    (tmp_path / "a.txt").write_text("The Raven\nOnce upon a midnight. Dreary.\n")
    assert [" ".join(line) for line in text.read_prose(tmp_path / "a.txt")] == [
        "the raven",
        "once upon a midnight .",
        "dreary .",
    ]


def test_what_looks_like_prose_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The hint names a word and the setting; it stands in the manifest, for check."""
    with caplog.at_level(logging.WARNING):
        found = prepared(tmp_path, PROSE)
    assert "such as 'late,', and count as words of their own: set prose: true" in caplog.text
    assert found.manifest.remark is not None and found.manifest.remark in caplog.text
    assert "late," in found.vocabulary


@pytest.mark.parametrize(("content", "prose"), [(WORDS, False), (PROSE, True)])
def test_words_and_split_prose_have_no_hint(tmp_path: Path, content: str, prose: bool) -> None:
    """Text whose signs stand alone is what is expected."""
    found = prepared(tmp_path, content, prose=prose)
    assert found.manifest.remark is None
    assert {"late", ","} <= set(found.vocabulary)


def test_predict_splits_prose_as_the_training_text_was(tmp_path: Path) -> None:
    """A model of prose is given prose."""
    (tmp_path / "a.txt").write_text(PROSE)
    facts: dict[str, Any] = {"dataset": "own", "dataset_digest": "0" * 64, "source": "text", "seed": 0, "recipe": {}}
    origin = TextOrigin(**facts, lowercase=False, prose=True)
    assert prediction.read(origin, tmp_path / "a.txt") == text.read_prose(tmp_path / "a.txt")
    assert "prose" not in TextOrigin(**facts, lowercase=False).to_json()

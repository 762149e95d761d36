"""Preparing and loading texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoshrink.errors import ArtifactError, DataError
from autoshrink.files import artifacts
from autoshrink.params.data import OwnText
from autoshrink.tasks.language import data
from autoshrink.tasks.language.data import PreparedText

from .conftest import WORDS, own_text


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing of time, place or order gets into the prepared form."""
    entry = own_text(tmp_path / "raw")
    for name in ("a", "b"):
        data.prepare("own", entry, tmp_path / name, tmp_path, 1)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["manifest.json", "test.npy", "train.npy", "validation.npy", "vocabulary.txt"]
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_tokens_stand_for_the_texts_words(text: PreparedText, tmp_path: Path) -> None:
    """Decoding the prepared split gives the file back, with the end of each line marked."""
    entry = own_text(tmp_path)
    decoded = " ".join(text.vocabulary[token] for token in text.split("test")).split(" <eos>")
    assert [line.split() for line in decoded if line] == [
        line.split() for line in Path(entry.test).read_text().splitlines()
    ]
    assert set(text.vocabulary) == {*WORDS, "<eos>"}
    counts = text.manifest.counts["train"]
    assert counts.lines == 150 and counts.tokens == len(text.split("train")) and counts.unknown_tokens == 0


def test_a_bounded_vocabulary_is_the_training_splits_most_frequent_words(tmp_path: Path) -> None:
    """Words beyond it, and words that only the test split has, become <unk>; ties are alphabetical."""
    files = {"train": "b b b a c\n", "validation": "a z\n", "test": "z z b\n"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    paths: dict[str, Any] = {name: str(tmp_path / name) for name in files}
    data.prepare("own", OwnText(source="text", **paths, vocabulary_size=10), tmp_path / "p", tmp_path, 1)
    prepared = data.load(tmp_path / "p")
    assert prepared.vocabulary == ("<eos>", "<unk>", "b", "a", "c")
    assert prepared.split("test").tolist() == [1, 1, 2, 0]
    assert prepared.manifest.counts["test"].unknown_tokens == 2
    assert data.most_frequent([["b", "b", "a", "c"]], 4) == ["<eos>", "<unk>", "b", "a"]


@pytest.mark.parametrize("file", ["train.npy", "vocabulary.txt"])
def test_an_altered_or_missing_file_is_found_when_it_is_read(tmp_path: Path, file: str) -> None:
    """One flipped byte, or no file, is an error that names the file and what to remove."""
    data.prepare("own", own_text(tmp_path / "raw"), tmp_path / "p", tmp_path, 1)
    path = tmp_path / "p" / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)

    def read() -> None:
        prepared = data.load(tmp_path / "p")
        assert prepared.vocabulary and len(prepared.split("train"))

    with pytest.raises(ArtifactError, match=rf"{file}: is not the file that the manifest records"):
        read()
    path.unlink()
    with pytest.raises(ArtifactError, match=rf"{file}: cannot be read"):
        read()


def test_a_data_set_of_images_is_no_text(tmp_path: Path) -> None:
    """The manifest says what the data is for."""
    artifacts.write_sealed(tmp_path / "manifest.json", "dataset", 1, {"task": "cnn", "source": "mnist5k"})
    with pytest.raises(ArtifactError, match="is a dataset for 'cnn', not for 'rnn'"):
        data.load(tmp_path)


def test_a_failed_preparation_leaves_no_manifest_behind(tmp_path: Path) -> None:
    """What was prepared before does not pass for prepared while the raw files are bad."""
    entry = own_text(tmp_path / "raw")
    data.prepare("own", entry, tmp_path / "p", tmp_path, 1)
    Path(entry.test).write_text("")
    with pytest.raises(DataError):
        data.prepare("own", entry, tmp_path / "p", tmp_path, 1)
    assert np.array_equal(data.load(tmp_path / "p").split("train"), data.load(tmp_path / "p").split("train"))

"""Prepare text data sets as token arrays with a sealed manifest, and load them.

``data/<name>/`` holds ``train.npy``, ``validation.npy``, ``test.npy`` (one int32 token per word, ``<eos>`` after each
line), ``vocabulary.txt`` (word i on line i) and ``manifest.json``, which is written last and holds the digests of the
others.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.data import OwnText, PennTreebank, Sotu, TextDataset, WikiText2
from autoshrink.tasks.address import MANIFEST
from autoshrink.tasks.language import sources
from autoshrink.tasks.language.records import SplitName, TextCounts, TextManifest
from autoshrink.tasks.language.text import END_OF_LINE, UNKNOWN, Line
from autoshrink.tasks.prepared import PreparedData, save

log = logging.getLogger(__name__)

Tokens = npt.NDArray[np.int32]

VOCABULARY = "vocabulary.txt"


class PreparedText(PreparedData[TextManifest]):
    """A prepared text."""

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The words; a token is an index into them. Raises ArtifactError as ``split`` does."""
        try:
            words = tuple(self.content(VOCABULARY).decode().split("\n")[:-1])
        except UnicodeDecodeError:
            raise self._refused(VOCABULARY, "is no UTF-8 text") from None
        if END_OF_LINE not in words or len(words) != self.manifest.vocabulary:
            raise self._refused(VOCABULARY, f"does not hold {self.manifest.vocabulary} words, {END_OF_LINE} among them")
        return words

    @property
    def end_of_line(self) -> int:
        """The token that ends every line."""
        return self.vocabulary.index(END_OF_LINE)

    def split(self, name: SplitName) -> Tokens:
        """Read one split's tokens. Raises ArtifactError where the file is missing or not the one that was prepared."""
        file = f"{name}.npy"
        tokens = self.array(file)
        are_tokens = tokens.dtype == np.int32 and tokens.ndim == 1
        if not are_tokens or (tokens.size and not (tokens.min() >= 0 and tokens.max() < self.manifest.vocabulary)):
            raise self._refused(file, f"does not hold words as numbers below {self.manifest.vocabulary}")
        return tokens


def prepare(name: str, entry: TextDataset, folder: Path, downloads: Path, seed: int) -> None:
    """Bring the data set ``name`` into its prepared form in ``folder``, atomically: the manifest appears last.

    Raises DataError, in one line, for raw text that is missing, damaged, empty or not what ``entry`` says it is.
    """
    if isinstance(entry, Sotu):
        text = sources.read_sotu(entry, seed, name)
        vocabulary = most_frequent(text.lines["train"], entry.vocabulary_size)
    elif isinstance(entry, PennTreebank):
        text = sources.read_ptb(entry, downloads)
        vocabulary = all_words(text.lines)
    elif isinstance(entry, WikiText2):
        text = sources.read_wikitext(entry)
        vocabulary = all_words(text.lines)
    else:
        assert isinstance(entry, OwnText), f"{type(entry)} is no text data set"
        text = sources.read_own(entry)
        if entry.vocabulary_size is None:
            vocabulary = all_words(text.lines)
        else:
            vocabulary = most_frequent(text.lines["train"], entry.vocabulary_size)
    if text.remark is not None:
        log.warning("datasets.%s: %s", name, text.remark)
    _write(name, entry, folder, text, vocabulary)


def load(folder: Path) -> PreparedText:
    """Return the prepared text of ``folder``. Raises ArtifactError where there is none, or one of images."""
    return PreparedText.load(folder, TextManifest)


def most_frequent(lines: Iterable[Line], size: int) -> list[str]:
    """Return the ``size`` most frequent words, ``<eos>`` and ``<unk>`` included; ties are alphabetical."""
    counts = Counter(word for line in lines for word in line)
    del counts[UNKNOWN]
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [END_OF_LINE, UNKNOWN, *ranked[: size - 2]]


def all_words(lines: sources.Lines) -> list[str]:
    """Return every word of all splits and ``<eos>``, the most frequent first (as the paper does for PTB)."""
    counts = Counter(word for split in sources.SPLITS for line in lines[split] for word in line)
    return [END_OF_LINE, *sorted(counts, key=lambda word: (-counts[word], word))]


def encode(lines: Iterable[Line], vocabulary: Iterable[str]) -> Tokens:
    """Return the lines as one run of tokens, ``<eos>`` after each line; other words become ``<unk>``."""
    number = {word: index for index, word in enumerate(vocabulary)}
    unknown = number.get(UNKNOWN)
    tokens = [number.get(word, unknown) for line in lines for word in (*line, END_OF_LINE)]
    assert None not in tokens, "a closed vocabulary lacks a word of the text"
    return np.asarray(tokens, dtype=np.int32)


def _write(name: str, entry: TextDataset, folder: Path, text: sources.Text, vocabulary: list[str]) -> None:
    tokens: dict[SplitName, Tokens] = {split: encode(text.lines[split], vocabulary) for split in sources.SPLITS}
    for split in sources.SPLITS:
        if not text.lines[split]:
            raise DataError(f"datasets.{name}: the {split} split is empty; give more text")
    (folder / MANIFEST).unlink(missing_ok=True)  # while files change, nothing may pass for prepared
    files = {f"{split}.npy": save(folder / f"{split}.npy", array) for split, array in tokens.items()}
    artifacts.write_text(folder / VOCABULARY, "".join(f"{word}\n" for word in vocabulary))
    unknown = vocabulary.index(UNKNOWN) if UNKNOWN in vocabulary else -1
    TextManifest(
        name=name,
        task=Task.RNN,
        source=entry.source,
        source_version=text.source_version,
        settings=entry.model_dump(mode="json"),
        files={**files, VOCABULARY: artifacts.digest_of_file(folder / VOCABULARY)},
        vocabulary=len(vocabulary),
        remark=text.remark,
        counts={
            split: TextCounts(
                lines=len(text.lines[split]),
                tokens=array.size,
                words=len(np.unique(array)),
                unknown_tokens=int((array == unknown).sum()),
            )
            for split, array in tokens.items()
        },
    ).write(folder / MANIFEST)

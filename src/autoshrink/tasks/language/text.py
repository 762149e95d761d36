"""Read text files and split running text into lines of words."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.files import foreign

Line = list[str]

END_OF_LINE = "<eos>"
UNKNOWN = "<unk>"
NUMBER = "N"
BYTE_ORDER_MARK = "\ufeff"

# A sentence ends at . ? or !, with the quotes and brackets that close there, before blank space and a capital, a
# digit or an opening quote; not after a title or a single capital (Mr. Monroe, U.S. Army).
_SENTENCE_END = re.compile(
    r"""(?<!\b[A-Z])(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bNo)([.?!]["')\]]*)\s+(?=["'(\[$]*[A-Z0-9])"""
)
# A number with its separators (also 4th, 1850s), a word with inner apostrophes (don't, nation's), or any other sign.
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?|[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s]")
# a word with the punctuation that follows it, as prose has it: of the first so many lines, and how many make it prose
_GLUED = re.compile(r"[^\W\d_]{2,}[.,;:!?]$")
_LOOKED_AT, _PROSE_SHARE = 2000, 0.04
_TYPOGRAPHY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def tokenise(sentence: str) -> Line:
    """Return a sentence's tokens: lowercase words, single signs, and ``N`` for every number (as Mikolov's PTB)."""
    plain = unicodedata.normalize("NFKC", sentence).translate(_TYPOGRAPHY)
    return [NUMBER if token[0].isdigit() else token.lower() for token in _TOKEN.findall(plain)]


def sentences(text: str) -> list[Line]:
    """Return the tokenised sentences of a running text, in order; line breaks end sentences too."""
    pieces = _SENTENCE_END.sub(r"\1\n", text.translate(_TYPOGRAPHY)).splitlines()
    return [tokens for piece in pieces if (tokens := tokenise(piece))]


def read_lines(
    path: Path, encoding: str = "utf-8", lowercase: bool = False, *, blank_lines: bool = False
) -> list[Line]:
    """Read a text file whose words are separated by blanks; lines without a word are left out unless ``blank_lines``.

    Raises DataError: no such file, wrong encoding, not a text, empty, or it holds the reserved word ``<eos>``.
    """
    content = _content(path, encoding)
    if lowercase:
        content = content.lower()
    lines = [line.split() for line in content.removesuffix("\n").split("\n")]
    if not blank_lines:
        lines = [words for words in lines if words]
    if not any(lines):
        raise DataError(f"{path}: holds no word; give a text file with one sentence per line")
    if any(END_OF_LINE in words for words in lines):
        raise DataError(f"{path}: holds the word {END_OF_LINE}, which marks the ends of lines; remove it")
    return lines


def read_prose(path: Path, encoding: str = "utf-8") -> list[Line]:
    """Read a file of running prose as tokenised sentences.

    Where blank lines part paragraphs, a paragraph's lines are joined; elsewhere each line is a paragraph. Raises
    DataError as ``read_lines`` does.
    """
    content = _content(path, encoding)
    paragraphs = re.split(r"\n\s*\n", content.strip())
    if len(paragraphs) == 1:
        paragraphs = content.split("\n")
    lines = [line for paragraph in paragraphs for line in sentences(" ".join(paragraph.split()))]
    if not lines:
        raise DataError(f"{path}: holds no word; give a text file")
    return lines


def prose_in(lines: Sequence[Line]) -> str | None:
    """Return why lines of words look like running prose, which should be split first; None where they do not."""
    words = [word for line in lines[:_LOOKED_AT] for word in line]
    glued = [word for word in words if _GLUED.search(word)]
    if len(glued) < _PROSE_SHARE * len(words):
        return None
    share = 100 * len(glued) / len(words)
    return f"{share:.0f} % of the words carry punctuation, such as {glued[0]!r}, and count as words of their own"


def _content(path: Path, encoding: str) -> str:
    try:
        content = foreign.read(path).decode(encoding).removeprefix(BYTE_ORDER_MARK)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; give the path of a text file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except LookupError:
        raise DataError(
            f"{path}: encoding {encoding!r} is not known; accepted: a Python encoding such as utf-8"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not {encoding} text (byte {error.start} is {error.object[error.start]:#04x}); "
            "set encoding to the file's own, such as latin-1, or convert the file"
        ) from None
    except ValueError as error:  # of codecs that name no byte, such as utf-16 without its mark
        raise DataError(f"{path}: cannot be read as {encoding!r} ({error}); set encoding to the file's own") from None
    if "\0" in content:
        raise DataError(f"{path}: holds NUL characters, so it is no {encoding} text; set encoding to the file's own")
    return content

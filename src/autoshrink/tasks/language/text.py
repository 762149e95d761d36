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

# A sentence ends at . ? or ! (in Indian scripts at a danda, in Arabic's at its question mark), with the quotes and
# brackets that close there, before blank space and, opening quotes and brackets aside, a digit or a letter that is not
# lowercase; not after a title or a single capital (Mr. Monroe, U.S. Army).
_SENTENCE_END = re.compile(
    r"""(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bNo)([.?!\u0964\u0965\u061f]["')\]]*)\s+(?=["'(\[$]*([^\W_]))"""
)
_INITIAL = re.compile(r"\b[^\W\d_]$")
# A letter may have marks, as vowels are in Indian scripts, and joiners that shape it; they stay in its word, though
# Python's \w leaves them out.
_MARKS = "".join(chr(code) for code in range(0x300, 0x1F000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
_WORD = r"[^\W\d_]+"
_MARKED_WORD = rf"{_WORD}(?:[{_MARKS}\u200c\u200d][^\W\d_]*)*"
# A number with its separators (also 4th, 1850s), a word with inner apostrophes (don't, nation's), or any other sign.
_ASCII_TOKEN, _TOKEN = (
    re.compile(rf"\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?|{word}(?:'{word})*|[^\w\s]") for word in (_WORD, _MARKED_WORD)
)
# Thai, Lao, Tibetan, Burmese, Khmer, Chinese and Japanese have no blanks between words: what share of a text's first
# letters is too many
_UNSPACED = re.compile(r"[\u0e01-\u0fbc\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff]")
_LETTERS_LOOKED_AT, _UNSPACED_SHARE = 100_000, 0.2
# a word with the punctuation that follows it, as prose has it: of the first so many lines, and how many make it prose
_GLUED = re.compile(r"[^\W\d_]{2,}[.,;:!?]$")
_LOOKED_AT, _PROSE_SHARE = 2000, 0.04
_TYPOGRAPHY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


def tokenise(sentence: str) -> Line:
    """Return a sentence's tokens: lowercase words, single signs, and ``N`` for every number (as Mikolov's PTB)."""
    plain = unicodedata.normalize("NFKC", sentence).translate(_TYPOGRAPHY)
    pattern = _ASCII_TOKEN if plain.isascii() else _TOKEN  # the same, three times as fast
    return [NUMBER if token[0].isdigit() else token.lower() for token in pattern.findall(plain)]


def sentences(text: str) -> list[Line]:
    """Return the tokenised sentences of a running text, in order; line breaks end sentences too."""
    pieces = _SENTENCE_END.sub(_ended, text.translate(_TYPOGRAPHY)).splitlines()
    return [tokens for piece in pieces if (tokens := tokenise(piece))]


def _ended(found: re.Match[str]) -> str:
    """Return what stands for a possible end of a sentence: a line break where it is one."""
    before, after = found.string[max(0, found.start() - 2) : found.start()], found[2]
    is_initial = before[-1:].isupper() and bool(_INITIAL.search(before))
    return found[0] if after.islower() or is_initial else f"{found[1]}\n"


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
    letters = "".join(filter(str.isalpha, content[:_LETTERS_LOOKED_AT]))
    unspaced = len(_UNSPACED.findall(letters))
    if unspaced > _UNSPACED_SHARE * len(letters):
        raise DataError(
            f"{path}: {100 * unspaced / len(letters):.0f} % of its letters are of a script without blanks between "
            "words, which prose: true cannot split; put blanks between the words and set prose: false"
        )
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

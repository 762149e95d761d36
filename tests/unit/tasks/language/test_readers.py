"""Fuzzing of the readers of raw text and of word vectors: any bytes are read, or one line names the file."""

import math
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.errors import DataError
from autoshrink.tasks.language import text
from autoshrink.tasks.language.network import read_vectors

FUZZED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = ["the", "cat", "N", "<unk>", "é"]


@FUZZED
@given(
    content=st.binary(max_size=80) | st.text(alphabet="ab \n\r\t\0\ufeff\u2028\x85é<eos>", max_size=60).map(str.encode),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "ascii", "rot13", "nothing", "base64", "idna", "a\0b"]),
    lowercase=st.booleans(),
)
def test_any_bytes_are_lines_of_words_or_one_line(
    content: bytes, encoding: str, lowercase: bool, tmp_path: Path
) -> None:
    """Words have no blanks and no byte-order mark before them, and no reserved word gets in."""
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    try:
        lines = text.read_lines(path, encoding, lowercase)
    except DataError as error:
        assert "text.txt" in str(error) and "\n" not in str(error)
    else:
        words = [word for line in lines for word in line]
        assert lines and all(lines)
        assert all(word and word.split() == [word] for word in words)
        assert text.END_OF_LINE not in words and not words[0].startswith("\ufeff\ufeff")


@st.composite
def vector_lines(draw: st.DrawFn) -> bytes:
    """Lines of words and numbers, some of another width, twice, or no finite numbers."""
    numbers = st.floats(width=32).map(str) | st.sampled_from(["nan", "inf", "1e999", "1_0", "x", "٣"])
    lines = draw(
        st.lists(st.tuples(st.sampled_from([*WORDS, "other"]), st.lists(numbers, min_size=1, max_size=4)), max_size=6)
    )
    return "\n".join(" ".join([word, *values]) for word, values in lines).encode()


@FUZZED
@given(content=st.binary(max_size=80) | vector_lines())
def test_any_bytes_are_vectors_or_one_line(content: bytes, tmp_path: Path) -> None:
    """Vectors are of the network's width and finite, each word's once; blank lines are no words."""
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    try:
        vectors = read_vectors(path, 2, WORDS)
    except DataError as error:
        assert "vectors.txt" in str(error) and "\n" not in str(error)
    else:
        assert vectors and set(vectors) <= set(range(len(WORDS)))
        assert all(len(vector) == 2 and all(map(math.isfinite, vector)) for vector in vectors.values())

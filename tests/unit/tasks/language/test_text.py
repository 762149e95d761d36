"""Tokens, sentences and what is no text."""

from pathlib import Path

import pytest

from autoshrink.errors import DataError
from autoshrink.tasks.language import text


def test_words_are_lowercase_and_signs_stand_alone() -> None:
    """Words keep inner apostrophes, every sign is a token, typographic quotes are plain ones."""
    assert text.tokenise("The Nation’s laws, “well-made”: we don't fear!") == (
        ["the", "nation's", "laws", ",", '"', "well", "-", "made", '"', ":", "we", "don't", "fear", "!"]
    )


@pytest.mark.parametrize("number", ["7", "1,234,567.89", "1850s", "4th", "8:30"])
def test_every_number_is_one_token(number: str) -> None:
    """A number with its separators and suffix becomes N, as in Mikolov's Penn Treebank."""
    assert text.tokenise(f"of {number} men") == ["of", "N", "men"]


def test_sentences_end_at_full_stops_and_line_breaks_but_not_after_titles() -> None:
    """A closing quote stays with its sentence; Mr. and initials end none."""
    running = 'He said "Go." Then Mr. J. Adams left. In 1800 it was\nover? Yes. 20 went.'
    assert [" ".join(line) for line in text.sentences(running)] == [
        'he said " go . "',
        "then mr . j . adams left .",
        "in N it was",
        "over ?",
        "yes .",
        "N went .",
    ]


def test_marks_stay_in_their_words() -> None:
    """Vowels of Indian scripts, Hebrew's and Arabic's points, joiners, and accents that have no letter of their own."""
    assert text.tokenise("हिन्दी में, नमस्ते।") == ["हिन्दी", "में", ",", "नमस्ते", "।"]
    assert text.tokenise("தமிழ் שָׁלוֹם مُحَمَّد می\u200cخواهم") == ["தமிழ்", "שָׁלוֹם", "مُحَمَّد", "می\u200cخواهم"]
    assert text.tokenise("m\u0304a\u0301s k̈'s") == ["m̄ás", "k̈'s"]


def test_sentences_of_other_scripts_end_too() -> None:
    """At a danda, before a capital of any script, and before a script that has none; not within, nor after initials."""
    running = "यह घर है। वह आया। Über uns. Éva war da. Жил А. С. Пушкин. Он писал. и т.д. мир. سؤال؟ جواب."
    assert [" ".join(line) for line in text.sentences(running)] == [
        "यह घर है ।",
        "वह आया ।",
        "über uns .",
        "éva war da .",
        "жил а . с . пушкин .",
        "он писал . и т . д . мир .",
        "سؤال ؟",
        "جواب .",
    ]


@pytest.mark.parametrize("script", ["ภาษาไทยไม่มีช่องว่าง", "日本語には空白がない。", "中文没有空格。"])
def test_prose_without_blanks_between_words_is_refused(tmp_path: Path, script: str) -> None:
    """Its words cannot be told by blanks: one line says what to do. A quotation in another text is no matter."""
    (tmp_path / "a.txt").write_text(script * 3)
    with pytest.raises(DataError, match=r"a\.txt: \d+ % of its letters .* set prose: false") as raised:
        text.read_prose(tmp_path / "a.txt")
    assert "\n" not in str(raised.value)
    (tmp_path / "a.txt").write_text(f"A long sentence of the English language quotes this: {script[:4]}.")
    assert text.read_prose(tmp_path / "a.txt")


def test_lines_without_a_word_are_left_out(tmp_path: Path) -> None:
    """Blank lines, also trailing ones, are no lines."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"A b\n\n  \r\nc\n\n")
    assert text.read_lines(path) == [["A", "b"], ["c"]]
    assert text.read_lines(path, lowercase=True)[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (None, "utf-8", "there is no such file"),
        (b"", "utf-8", "holds no word"),
        (b" \n\n", "utf-8", "holds no word"),
        (b"caf\xe9 au lait", "utf-8", "not utf-8 text (byte 3 is 0xe9)"),
        ("wide".encode("utf-16-le"), "latin-1", "holds NUL characters"),
        (b"fine", "utf-99", "encoding 'utf-99' is not known"),
        (b"a <eos> b", "utf-8", "holds the word <eos>"),
    ],
)
def test_what_is_no_text_is_told_in_one_line(tmp_path: Path, content: bytes | None, encoding: str, says: str) -> None:
    """Each bad file gives one line that names it and says what is wrong."""
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        text.read_lines(path, encoding)
    assert says in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_folder_is_no_text_file(tmp_path: Path) -> None:
    """What the system refuses to read is told in one line too."""
    with pytest.raises(DataError, match="cannot be read"):
        text.read_lines(tmp_path)

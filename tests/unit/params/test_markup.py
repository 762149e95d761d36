"""YAML is read with the numbers people mean, written so that it reads back, and refused where it surprises."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.errors import ParameterError
from autoshrink.params import load, markup

ROOT = Path(__file__).parents[3]
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100_000.0),
        ("1.0e+6", 1_000_000.0),
        (".5", 0.5),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-7", -7),
        ("1:30", "1:30"),
        ("'1e-3'", "1e-3"),
        ("yes", True),
        ("~", None),
    ],
)
def test_numbers_are_what_people_mean(text: str, value: object) -> None:
    """Of YAML 1.2, as documented; YAML 1.1 would read four of these otherwise."""
    found = markup.parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands in line 1 already"),
        ("a: {b: 1, b: 2}", "the key 'b' stands in line 1 already"),
        ("a: &a [*a]", "holds itself"),
        ("&a {b: *a}", "holds itself"),
        ("? [1]\n: 2", "a key that is a mapping or a list"),
        ("[" * 100_000, "more than 32 levels"),
        ("{a: " * 100_000, "more than 32 levels"),
        ("- " * 100_000, "more than 32 levels"),
        (BOMB, "more than 100,000 values"),
        ("a: " + "9" * 5000, "a number of 5,000 digits"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: \0", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: *b", "undefined alias"),
    ],
)
def test_what_surprises_or_explodes_is_refused_at_once(text: str, why: str) -> None:
    """One line, within a second, whatever the text would make."""
    start = time.process_time()
    with pytest.raises(markup.MarkupError, match=why) as caught:
        markup.parse(text)
    assert "\n" not in str(caught.value)
    assert time.process_time() - start < 1


def test_merge_keys_and_aliases_work() -> None:
    """What an overlay may well use is no bomb."""
    assert markup.parse("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n")["d"] == {"b": 3, "c": 2}


# what ``load`` accepts as text
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_what_is_written_reads_back(value: object) -> None:
    """Every value that parameters can have, texts that look like numbers among them, is the same after a round trip."""
    assert json.dumps(markup.parse(markup.dump(value))) == json.dumps(value)


@pytest.mark.parametrize("text", ["1e3", "010", "1:30", "0o10", "1_000", "2020-01-01", "yes", "=", "<<", "-", ".5", ""])
def test_texts_that_look_like_something_else_read_back_as_text(text: str) -> None:
    assert markup.parse(markup.dump([text])) == [text]


LINES = st.lists(st.text("ab:{}[]&*?!|>'\"#%@`-,. \t0189eE\\\u00e9\ufeff\0<~", max_size=12), max_size=8)


@settings(max_examples=500, deadline=None)
@given(LINES.map("\n".join))
def test_any_text_ends_in_values_or_one_line(text: str) -> None:
    try:
        markup.parse(text)
    except markup.MarkupError as error:
        assert "\n" not in str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | LINES.map(lambda lines: "\n".join(lines).encode()))
def test_any_overlay_ends_in_parameters_or_lines_with_its_name(tmp_path_factory: Any, content: bytes) -> None:
    """Whatever bytes an overlay holds, the run's parameters are valid or each mistake is a line naming the file."""
    path = tmp_path_factory.mktemp("overlay") / "mine.yaml"
    path.write_bytes(content)
    try:
        load([ROOT / "params.yaml", path])
    except ParameterError as error:
        assert all("mine.yaml" in line for line in str(error).splitlines())

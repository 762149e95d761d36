"""Text in Markdown is shown, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from autoshrink.files import markdown

HOSTILE = [
    "a|b",
    "two\nlines",
    "<script>alert(1)</script>",
    "`code`",
    "\\|",
    "[x](javascript:y)",
    "<img src=x>",
    "&lt;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_one_cell_and_no_markup(name: str) -> None:
    """Pipes, line breaks, scripts, backticks and links come out of a renderer as the text they are."""
    page = MarkdownIt("commonmark").enable("table").render(markdown.table(["model", "note"], [[name, "last"]]))
    assert page.count("<td") == 2
    assert not any(tag in page for tag in ("<script", "<img", "<code", "<a "))
    assert "last" in page


@given(st.text(max_size=40))
def test_a_table_keeps_its_shape(name: str) -> None:
    """Any text is one row of two cells, without a tag of its own."""
    lines = markdown.table(["model", "note"], [[name, "last"]]).splitlines()
    assert len(lines) == 3 and "<" not in lines[2]


@given(st.text(alphabet="`ab \n|<", min_size=1, max_size=12).filter(str.strip))
def test_a_code_span_holds_any_name(name: str) -> None:
    """A file name with backticks does not end its span."""
    fence, *_ = markdown.code(name).partition(" " if "`" in name else " ".join(name.split())[:1])
    assert markdown.code(name).endswith(fence) and fence not in markdown.code(name)[len(fence) : -len(fence)]

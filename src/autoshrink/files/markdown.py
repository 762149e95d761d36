"""Markdown tables and code spans with escaped content."""

import html
import re
from collections.abc import Sequence


def escaped(text: str) -> str:
    """Return ``text`` on one line, so that Markdown and HTML show its characters and obey none of them.

    Emphasis (``*``, ``_``) is left alone: it can change how a name looks, not what the page does.
    """
    flat = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`|\[\]])", r"\\\1", flat)


def code(text: str) -> str:
    """Return ``text`` as a code span, fenced by more backticks than it holds in a row (CommonMark 6.1)."""
    flat = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", flat)), default=0))
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of escaped cells, as GitHub writes them. All cells are text: "12" as well as "73.9 %"."""
    import pandas as pd

    frame = pd.DataFrame([list(map(escaped, row)) for row in rows], columns=[*map(escaped, heading)], dtype=str)
    return str(frame.to_markdown(index=False, tablefmt="github", disable_numparse=True))

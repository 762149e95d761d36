"""The documentation's fenced blocks, and how each is tried: carried out, only planned, or carried out by another test.

A block that needs a GPU, data that cannot be had here or hours has the line ``<!-- test: plan -->`` before it: then
Snakemake plans it (a dry run), and ``autoshrink`` parses its options. One that another test carries out, because it
needs a cluster or a git clone of its own, names that test, ``<!-- test: tests/cluster/test_slurm.py -->``; what of it
can be planned is planned here too. Everything else is carried out.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoshrink.cli.root import autoshrink

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r'^(?:<!-- test: (?P<kind>[\w/.]+) -->\n)?```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)
# what a reader does before a checkout exists, and what would run this very test (make then only says what it would do)
_BEFORE = ("git clone", "cd ")
_THIS_TEST = "make test"


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language and text, and whether it is only planned."""

    page: str
    line: int
    language: str
    title: str | None
    text: str
    planned: bool
    elsewhere: Path | None
    """The test file that carries it out."""

    def __str__(self) -> str:
        """Return where a person finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the README and all pages of the documentation, the first run first: others use what it leaves behind."""
    found = sorted((ROOT / "docs").rglob("*.md"), key=lambda path: (path.name != "first-run.md", path))
    return [*found[:1], ROOT / "README.md", *found[1:]]


def blocks(path: Path) -> Iterator[Block]:
    """Yield a page's blocks in order."""
    text = path.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        kind = match["kind"]
        elsewhere = ROOT / kind if kind and kind != "plan" else None
        assert elsewhere is None or elsewhere.is_file(), f"{path}:{line}: there is no test {kind}"
        name = str(path.relative_to(ROOT))
        yield Block(name, line, match["language"], match["title"], match["text"], bool(kind), elsewhere)


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a block."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def script(block: Block) -> str:
    """Return what a shell is given of a block: its text, with plans in place of what is only planned."""
    if not block.planned:
        return "\n".join(_line(line) for line in block.text.splitlines())
    return "\n".join(_plan(words, block) for words in commands(block))


def _line(line: str) -> str:
    if line.startswith(_BEFORE):
        return ":"
    return "make --dry-run test" if line == _THIS_TEST else line


def _plan(words: list[str], block: Block) -> str:
    match words:
        case ["dvc" | "git" | "grep" | "export" | "python3", *_]:
            assert block.elsewhere, f"{block}: say which test carries this out"
            return ""
        case [word, *_] if "=" in word:
            assert block.elsewhere, f"{block}: say which test carries this out"
            return ""
        case ["make", "run", *rest]:
            given = [word.removeprefix("ARGS=") for word in rest if word.startswith("ARGS=")]
            return shlex.join(["make", "run", f"ARGS={' '.join(given)} --dry-run --quiet all"])
        case ["make", *rest]:
            return shlex.join(["make", "--dry-run", *rest])
        case ["snakemake", *_]:
            return shlex.join([*words, "--dry-run", "--quiet", "all"])
        case _:
            assert "autoshrink" in words, f"{block}: do not know how to plan {words[0]!r}"
            _parse(words[words.index("autoshrink") + 1 :])
            return ""


def _parse(words: list[str]) -> None:
    """Parse a verb's options as the command line does; raises click's exception where it would not take them."""
    context = autoshrink.make_context("autoshrink", [*words], resilient_parsing=False)
    command = autoshrink.get_command(context, words[0])
    assert command is not None, f"there is no verb {words[0]}"
    command.make_context(words[0], words[1:], parent=context)

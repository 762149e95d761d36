"""No command on a page escapes: each block is tried, and what another test carries out stands in that test."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from autoshrink.cli.root import VERBS
from tests.docs import pages

FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
INLINE = re.compile(r"`((?:make|autoshrink|snakemake|dvc|tensorboard) [a-z-][^`]*)`")


@pytest.mark.parametrize("page", pages.pages(), ids=lambda path: path.name)
def test_every_block_is_known(page: Path) -> None:
    """Every fence is read as a block in a language whose blocks are tried; YAML and TOML parse."""
    found = list(pages.blocks(page))
    assert len(FENCE.findall(page.read_text(encoding="utf-8"))) == 2 * len(found)
    for block in found:
        assert block.language in ("bash", "python", "yaml", "toml", "text"), f"{block}: nothing tries {block.language}"
        if block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)


def test_what_another_test_carries_out_stands_there() -> None:
    """Each word, less options, of a command left to another test is a word of that test or its helpers."""
    left = [
        block for page in pages.pages() for block in pages.blocks(page) if block.elsewhere and block.language == "bash"
    ]
    assert left
    for block in left:
        assert block.elsewhere
        if Path(block.page).name in block.elsewhere.read_text(encoding="utf-8"):
            continue  # that test types what the page says
        # a test's words may stand in what it shares with its neighbours
        said = "".join(file.read_text(encoding="utf-8") for file in sorted(block.elsewhere.parent.glob("*.py")))
        for words in pages.commands(block):
            given = " ".join(words).replace("ARGS=", "").split()
            if given[0] == "make":
                given = [word for word in given[1:] if word not in ("run", "--configfile") and "presets/" not in word]
            for word in given:
                known = word.replace("cnn", "{task}").replace("rnn", "{task}")
                assert word.split("=")[0] in said or known in said, f"{block}: {word} is not in {block.elsewhere}"


@pytest.mark.parametrize(
    "command", sorted({text for page in pages.pages() for text in INLINE.findall(page.read_text(encoding="utf-8"))})
)
def test_commands_in_sentences_exist(command: str) -> None:
    """What a sentence tells to type is a target of make, a verb, or a program that the environment has."""
    program, first, *_ = command.split()
    if program == "make":
        subprocess.run(["make", "--dry-run", first, "PYTHON=true"], cwd=pages.ROOT, check=True, capture_output=True)
    elif program == "autoshrink":
        assert first in (*VERBS, "--help")
    else:
        assert shutil.which(program, path=str(Path(sys.prefix, "bin")))

"""The command line's manners: help that groups, errors in one line, light verbs that start light."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.cli.root import VERBS


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """``autoshrink --help`` names every verb under its group."""
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for verb, (_, group) in VERBS.items():
        assert f"  {verb} " in shown
        assert group in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb explains itself, with an example."""
    assert run(verb, "--help") == 0
    shown = capsys.readouterr().out
    assert re.search(rf"Examples?:\n +autoshrink {verb} ", shown)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["expo"], {"export"}),
        (["export", "--format", ""], {"onnx", "onnx-int8", "torchscript", "state-dict"}),
        (["lineage", "w"], {"why"}),
    ],
)
def test_shells_complete(words: list[str], expected: set[str]) -> None:
    """What is completed for a shell: verbs, their options' values, verbs of verbs."""
    asked = {"_AUTOSHRINK_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["autoshrink", *words])}
    program = Path(sys.executable).with_name("autoshrink")
    environment = {**os.environ, **asked, "COMP_CWORD": str(len(words))}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected


def test_users_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A parameter file that is not there: one line that names verb and file, status 2, no traceback."""
    assert run("check", "--params", "nowhere.yaml") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("autoshrink check: nowhere.yaml")


@pytest.mark.parametrize("module", ["autoshrink.cli.search", "autoshrink.cli.data", "autoshrink.search.rounds"])
def test_light_verbs_do_not_load_torch(module: str) -> None:
    """Importing what propose and select need brings neither torch nor pandas nor matplotlib."""
    code = (
        f"import sys, {module}; print([m for m in ('torch', 'pandas', 'matplotlib', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_misspelt_verb_is_answered_by_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line names the verb that was probably meant."""
    with pytest.raises(SystemExit) as ended:
        main(["chek"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip().endswith("no such verb: 'chek'; did you mean 'check'?")

"""The command line's manners: help that groups, errors in one line, light verbs that start light."""

import subprocess
import sys

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
    """Each verb explains itself."""
    assert run(verb, "--help") == 0
    assert len(capsys.readouterr().out) > 100


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

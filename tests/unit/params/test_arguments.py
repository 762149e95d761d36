"""Snakemake's arguments: what is wrong with the files they name is told in a line each."""

from pathlib import Path

import pytest

from autoshrink.params.arguments import is_for_autoshrink, mistakes_in


def test_good_arguments_have_no_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("overlay.yaml").write_text("seed: 7\n")
    assert mistakes_in(["--cores", "1", "--configfile", "overlay.yaml", "--config", "seed=8"]) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--configfile", "missing.yaml"], "missing.yaml: there is no such file"),
        (["--configfile=missing.yaml"], "missing.yaml: there is no such file"),
        (["--configfiles", "good.yaml", "twice.yaml"], "twice.yaml: line 2: the key 'a' stands in line 1 already"),
        (["--config", "search.cnn.k=0"], "give it as --config 'search={cnn: {k: 0}}'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("seed: 7\n")
    Path("twice.yaml").write_text("a: 1\na: 2\n")
    (mistake,) = mistakes_in(arguments)
    assert says in mistake


def test_other_workflows_are_none_of_its_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment shared with other workflows, only AutoShrink's arguments are looked at."""
    monkeypatch.chdir(tmp_path)
    assert not is_for_autoshrink([])
    Path("Snakefile").write_text("rule all:\n")
    assert not is_for_autoshrink([])
    Path("ours.smk").write_text("from autoshrink.cli import preflight\n")
    assert is_for_autoshrink(["--snakefile", "ours.smk"]) and is_for_autoshrink(["-s", "ours.smk"])

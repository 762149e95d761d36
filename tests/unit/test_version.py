"""One version, wherever it is written."""

import re
import tomllib
from pathlib import Path

import yaml

import autoshrink

ROOT = Path(__file__).parents[2]


def test_version_and_date_agree() -> None:
    """The package, pyproject.toml, CITATION.cff and the newest entry of CHANGELOG.md name one version and date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert {autoshrink.__version__, project["version"], citation["version"], newest[1]} == {project["version"]}
    assert str(citation["date-released"]) == newest[2]

"""The site builds without a warning, asks no other host for anything, and says what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from autoshrink.cli.root import VERBS
from autoshrink.params.loading import json_schema
from tests.docs import pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built site; building it strictly turns every warning into an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=pages.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No page asks another host for a script, a style sheet, an image or a font."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]*src="?(?:https?:)?//', text), page
        assert not re.findall(r'<link[^>]*rel="?(?:stylesheet|preconnect|icon)[^>]*href="?(?:https?:)?//', text), page


def test_reference_has_every_parameter_and_verb(site: Path) -> None:
    """Each key of params.yaml and each verb stands in the reference."""
    parameters = (site / "reference/parameters/index.html").read_text(encoding="utf-8")
    schema = json_schema()
    keys = {key for item in [schema, *schema["$defs"].values()] for key in item.get("properties", {})}
    assert not [key for key in sorted(keys) if f">{key}<" not in parameters and f".{key}<" not in parameters]
    verbs = (site / "reference/cli/index.html").read_text(encoding="utf-8")
    assert all(f"<code>autoshrink {verb}</code>" in verbs for verb in VERBS)


def test_figures_are_made_by_the_code(site: Path) -> None:
    """The explanation's figures of cells are drawn when the site is built."""
    for name in ("shrinking-0", "shrinking-3", "shrinkcnn-a", "shrinkrnn"):
        assert (site / f"images/{name}.svg").read_text(encoding="utf-8").startswith("<svg")

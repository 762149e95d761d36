"""Every command in the README and the documentation works as printed, in a copy of the checkout, made small."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pages
import pytest
import yaml

from autoshrink.params.loading import merge

SMALL: dict[str, Any] = {
    "paths": {"results": "results"},
    "search": {"cnn": {"nodes": 3, "k": 1}, "rnn": {"nodes": 3, "k": 1}},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the checkout in which params.yaml holds the smoke preset's values, so that all goes fast."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=pages.ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (pages.ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(pages.ROOT / name, tmp_path / name)
    values: dict[str, Any] = {}
    for file in ("params.yaml", "workflow/presets/smoke.yaml"):
        values = merge(values, yaml.safe_load((pages.ROOT / file).read_text(encoding="utf-8")))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(merge(values, SMALL)), encoding="utf-8")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.slow
def test_every_command_does_what_the_page_says(checkout: Path) -> None:
    """A reader who types what the pages say, first run first, gets no error; the tutorials end in exported models."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "PYTHON": "true",  # make's set-up step: this environment is set up already
        "OMP_NUM_THREADS": "1",
    }
    for page in pages.pages():
        code = []
        for block in pages.blocks(page):
            if block.language == "bash":
                run(["bash", "-euo", "pipefail", "-c", pages.script(block)], str(block), checkout, environment)
            elif block.title:
                (checkout / block.title).write_text(block.text, encoding="utf-8")
            elif block.language == "python" and not block.planned:
                code.append(block.text)
        if code:
            run([sys.executable, "-c", "\n".join(code)], f"{page.name}'s Python", checkout, environment)
    for folder in ("my-classifier", "my-language-model"):
        card = (checkout / folder / "README.md").read_text(encoding="utf-8")
        assert "## How good it is" in card
    metrics = json.loads((checkout / "results-photographs/cnn/shrink-0/metrics.json").read_bytes())["metrics"]
    assert metrics["loss"] < math.log(10)  # a search this small finds next to nothing, but more than guessing


def run(command: list[str], where: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a command and fail with the end of what it said where it did not end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{where} ended with status {done.returncode}:\n{done.stdout[-3000:]}"

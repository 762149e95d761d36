"""Every command in the README and the documentation works as printed, in a copy of the checkout."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml
from PIL import Image

from autoshrink.files import artifacts
from autoshrink.params import document
from autoshrink.params.loading import merge
from tests.docs import pages

# for pages that are about commands and not about numbers: the smoke preset's values, and less still
SMALL: dict[str, Any] = {
    "paths": {"results": "results"},
    "search": {"cnn": {"nodes": 3, "k": 1}, "rnn": {"nodes": 3, "k": 1}},
}
# these promise a model that is worth something: they are followed with the parameters that a clone comes with
OWN_DATA = ("own-images.md", "own-text.md", "small-board.md")


def checkout(folder: Path, changes: dict[str, Any]) -> Path:
    """Copy the checkout into ``folder``, ``changes`` made to its params.yaml."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=pages.ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (pages.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(pages.ROOT / name, folder / name)
    values = merge(yaml.safe_load(document.render_starter()), changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def read_yaml(name: str) -> dict[str, Any]:
    """Return a YAML file of the checkout."""
    values: dict[str, Any] = yaml.safe_load((pages.ROOT / name).read_text(encoding="utf-8"))
    return values


def follow(page: Path, folder: Path) -> None:
    """Type what a page says, in ``folder``."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "PYTHON": "true",  # make's set-up step: this environment is set up already
        "OMP_NUM_THREADS": "1",
    }
    code = []
    for block in pages.blocks(page):
        if block.language == "bash":
            run(["bash", "-euo", "pipefail", "-c", pages.script(block)], str(block), folder, environment)
        elif block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and not block.planned:
            code.append(block.text)
    if code:
        run([sys.executable, "-c", "\n".join(code)], f"{page.name}'s Python", folder, environment)


@pytest.mark.slow
def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    """A reader who types what the pages say, first run first, gets no error."""
    folder = checkout(tmp_path, merge(read_yaml("workflow/presets/smoke.yaml"), SMALL))
    for page in pages.pages():
        if page.name not in OWN_DATA:
            follow(page, folder)


@pytest.mark.slow
def test_own_images(tmp_path: Path) -> None:
    """Following the tutorial with 200 images ends in an exported classifier of held-out images, right by its report."""
    folder = checkout(tmp_path, {})
    follow(pages.ROOT / "docs/tutorial/own-images.md", folder)
    files = sorted((folder / "photographs").rglob("*.png"))
    assert len(files) == 200
    found = artifacts.read_sealed(folder / "results-photographs/cnn/shrink-0/metrics.json", "metrics", 1)
    accuracy = found["metrics"]["accuracy_top1"]
    assert accuracy > 0.7  # measured: 0.9; guessing: 0.1
    assert found["cell"]["edges"]

    guesses = list(csv.DictReader((folder / "guesses.csv").open(encoding="utf-8")))
    assert len(guesses) == 50
    assert sum(guess["class"] == guess["folder"] for guess in guesses) / 50 == accuracy
    session = onnxruntime.InferenceSession(folder / "my-classifier/model.onnx")
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    pixels_BHW = np.stack([np.asarray(Image.open(folder / guess["file"]), np.float32) / 255 for guess in guesses])
    (logits_BN,) = session.run(None, {"pixels": pixels_BHW[:, None]})
    assert [classes[index] for index in logits_BN.argmax(1)] == [guess["class"] for guess in guesses]
    card = (folder / "my-classifier/README.md").read_text(encoding="utf-8")
    assert "## How good it is" in card and f"{100 * accuracy:.1f}" in card


@pytest.mark.slow
def test_small_board(tmp_path: Path) -> None:
    """Following the tutorial ends in an int8 file that onnxruntime runs, of a network that the board has room for."""
    folder = checkout(tmp_path, {})
    follow(pages.ROOT / "docs/tutorial/small-board.md", folder)
    found = artifacts.read_sealed(folder / "results-board/cnn/shrink-0/metrics.json", "metrics", 1)
    limits = {"arena_bytes": 262_144, "flash_bytes": 1_048_576, "macs": 3_000_000}
    assert found["budget"]["limits"] == limits
    assert all(0 <= margin < 1 for margin in found["budget"]["margins"].values())
    assert found["costs"]["macs"] <= limits["macs"]
    assert found["metrics"]["accuracy_top1"] > 0.6  # guessing: 0.1
    assert (folder / "my-board/model.int8.onnx").stat().st_size < limits["flash_bytes"]
    assert "validation examples" in (folder / "my-board/README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_own_text(tmp_path: Path) -> None:
    """Following the tutorial ends in an exported language model that is far better than words' frequencies."""
    folder = checkout(tmp_path, {})
    follow(pages.ROOT / "docs/tutorial/own-text.md", folder)
    found = artifacts.read_sealed(folder / "results-speeches/rnn/shrink-0/metrics.json", "metrics", 1)["metrics"]
    assert found["perplexity"] < 0.4 * found["unigram_perplexity"]  # measured: 54 and 196
    assert "## How good it is" in (folder / "my-language-model/README.md").read_text(encoding="utf-8")


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

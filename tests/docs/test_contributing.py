"""CONTRIBUTING's example of an operator is applied to a copy of the source, and works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAINS = """
import torch
from autoshrink.cells.cell import Cell
from autoshrink.cells.looks import look
from autoshrink.params.search import ImageSearch
from autoshrink.params.vision import ImageNetwork
from autoshrink.tasks.vision import network

search = ImageSearch(operators=["separable_conv_7x7", "conv_1x1"])
module = network.build(Cell.complete(search.operators), ImageNetwork(), 3, 10, seed=1)
module(torch.zeros(2, 3, 16, 16)).sum().backward()
assert module.stage0[0].nodes["1"].depthwise.conv.weight.grad.shape[-2:] == (7, 7)
assert look("separable_conv_7x7").short == "s7"
assert "separable_conv_7x7" in ImageSearch.model_fields["operators"].description
"""


def test_the_example_of_an_operator_applies_and_trains(tmp_path: Path) -> None:
    """The diff on the page has under 30 changed lines, applies as it stands, and its operator trains in a network."""
    (diff,) = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S)
    changed = [line for line in diff.splitlines() if re.match(r"[+-](?![+-])", line)]
    assert len(changed) < 30
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    apply = ["git", "apply", "-"]
    subprocess.run(apply, input=diff, text=True, cwd=tmp_path, check=True)
    path = {"PYTHONPATH": str(tmp_path / "src")}
    subprocess.run([sys.executable, "-c", TRAINS], env=path, cwd=tmp_path, check=True)

"""References are trained by the pipeline itself, and the run ends in a verdict."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from autoshrink.records.reference import NetworkTest, ReferenceNetwork
from autoshrink.records.verdict import Verdict
from tests.functional.smoke_run import BIN, RESULTS, Folder, environment

OVERLAY = """
search:
  cnn: {keep_fraction: 0.5}
references:
  cnn:
    networks: ["my_networks:plain"]
    tolerance: 0.3
  rnn:
    networks: [lstm]
    tolerance: 0.2
    learning_rates: [0.5, 1.0]
evidence:
  seeds: 2
"""
OWN = """
from torch import nn

def plain(width, channels, classes):
    filters = max(1, round(8 * width))
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, bias=False), nn.BatchNorm2d(filters), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(filters, classes),
    )
"""


@pytest.mark.slow
def test_a_run_ends_in_its_verdict(finished: Folder, tmp_path: Path) -> None:
    """Two seeds, a network of the user's own, a tuned LSTM: trained, tested, judged, on the page, and said last."""
    folder = Folder.new(tmp_path / "run").overlaid(OVERLAY)
    shutil.copytree(finished.path / "store", folder.path / "store")  # what is trained alike is not trained again
    (folder.path / "my_networks.py").write_text(OWN)
    done = folder.run()
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-2:]
    assert "cnn shrink-0: the found network" in last[0]
    assert "my_networks:plain" in last[0]
    assert "rnn shrink-0: the found network" in last[1]
    evidence = folder.path / RESULTS / "cnn/shrink-0/evidence"
    scaled = ReferenceNetwork.read(evidence / "my_networks.plain/seed-0/model/network.json")
    assert abs(scaled.costs["macs"] / scaled.target - 1) <= 0.3
    assert len(NetworkTest.read(evidence / "found/test.json").results) == 2
    assert not (evidence / "found/seed-0").exists()  # the search's own model
    assert Verdict.read(evidence / "verdict.json").seeds == 2
    tuned = json.loads((folder.path / RESULTS / "rnn/shrink-0/evidence/lstm/rate.json").read_text())
    assert [item["learning_rate"] for item in tuned["tried"]] == [0.5, 1.0]
    page = (folder.path / RESULTS / "report/index.html").read_text()
    assert page.index('class="verdicts"') < page.index('class="metrics"')
    command = [str(BIN / "autoshrink"), "lineage", "verify", RESULTS]
    verified = subprocess.run(command, cwd=folder.path, env=environment(), capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout

"""The default candidates' digests beside those that were recorded on other kinds of CPU."""

import csv
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from autoshrink.runtime import numerics

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "benchmarks" / "results" / "numerics.csv"


def rows(path: Path) -> list[dict[str, str]]:
    """Return the portable rows of a table that ``benchmarks.numerics`` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["numerics"] == "portable"]


@pytest.mark.skipif(numerics.effective("portable") != "portable", reason="needs an x86-64 CPU with AVX2")
def test_this_cpu_computes_the_recorded_bits(tmp_path: Path) -> None:
    """Portable numerics give the weights here that were recorded on every CPU of the table."""
    recorded = rows(RECORDED)
    version = metadata.version("torch")
    if not all(row["torch"].startswith(version) for row in recorded):
        pytest.skip(f"recorded with torch {recorded[0]['torch']}; this is {version}")
    for name in ("mnist5k", "sotu"):
        command = str(Path(sys.executable).with_name("autoshrink"))
        prepare = [command, "prepare", name, "--set", f"paths.data={tmp_path}"]
        subprocess.run(prepare, cwd=ROOT, check=True)
    out = tmp_path / "numerics.csv"
    measure = [sys.executable, "-m", "benchmarks.numerics", "--modes", "portable", "--data", str(tmp_path)]
    subprocess.run([*measure, "--out", str(out)], cwd=ROOT, check=True)
    found = {row["task"]: row["digest"] for row in rows(out)}
    for row in recorded:
        assert found[row["task"]] == row["digest"], f"{row['task']}: {numerics.cpu()} differs from {row['cpu']}"

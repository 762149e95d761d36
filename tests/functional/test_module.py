"""The workflow as a Snakemake module of somebody else's, from another folder."""

import subprocess
from pathlib import Path

import yaml

from tests.functional.smoke_run import BIN, RESULTS, ROOT, SMOKE, environment

SNAKEFILE = f"""
module autoshrink:
    snakefile:
        "{ROOT}/Snakefile"


use rule * from autoshrink as autoshrink_*


rule summary:
    default_target: True
    input:
        "{RESULTS}/cnn/shrink-0/round-01/proposal.json",
    output:
        "summary.txt",
    shell:
        "wc -c {{input:q}} > {{output:q}}"
"""


def test_rules_of_another_workflow_use_ours(tmp_path: Path) -> None:
    """A foreign Snakefile asks for an artifact of ours, in its own folder, and the steps behind it are run."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "params.yaml").write_text("tasks: [cnn]\n")
    command: list[str | Path] = [BIN / "snakemake", "--cores", "1", "--configfile", str(SMOKE)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "proposal.json" in (tmp_path / "summary.txt").read_text()
    again = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert "Nothing to be done" in again.stderr


def test_the_catalogue_can_read_how_to_use_it() -> None:
    """The catalogue's file is YAML with the keys that it asks for."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= usage.keys()

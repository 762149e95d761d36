"""The workflow as a Snakemake module of somebody else's, from another folder."""

import subprocess
from pathlib import Path

import yaml

from tests.functional.smoke_run import BIN, RESULTS, ROOT, SMOKE, environment

SNAKEFILE = f"""
from autoshrink.cli import preflight, user_files


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


onstart:
    preflight.or_exit(user_files.check, workflow)
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


def test_a_file_of_the_users_in_an_output_s_place_is_left_alone(tmp_path: Path) -> None:
    """The check that Snakemake does not run for a module ends the run before it deletes the file."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "params.yaml").write_text("tasks: [cnn]\n")
    notes = tmp_path / RESULTS / "cnn/shrink-0/round-01/proposal.json"
    notes.parent.mkdir(parents=True)
    notes.write_text("my notes")
    command: list[str | Path] = [BIN / "snakemake", "--cores", "1", "--configfile", str(SMOKE)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert f"{RESULTS}/cnn/shrink-0/round-01/proposal.json: is in the way of the step" in done.stderr
    assert "Traceback" not in done.stderr and notes.read_text() == "my notes"


def test_the_catalogue_can_read_how_to_use_it() -> None:
    """The catalogue's file is YAML with the keys that it asks for."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= usage.keys()

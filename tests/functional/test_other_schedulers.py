"""LSF, Grid Engine and PBS: a workflow through the scripts of profiles/generic, against stand-ins for commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.smoke_run import BIN, ROOT, environment

SCRIPTS = ROOT / "workflow/profiles/generic"
STAND_IN = Path(__file__).parent / "stand_in_scheduler.py"
SNAKEFILE = """
rule all:
    input: "one.txt"

rule work:
    output: "one.txt"
    threads: 4
    resources: runtime=90, mem_mb=6000, gpu=1
    shell: "if [ -e tried ]; then touch {output}; else touch tried; exit 1; fi"
"""
ASKED = {
    "lsf": {"-J work", "-n 4", "-R span[hosts=1]", "-R rusage[mem=6000MB]", "-W 90", "-M 6000MB", "-gpu num=1"},
    "sge": {"-N work", "-pe smp 4", "-l h_rt=5400", "-l h_vmem=1500M", "-l gpu=1", "-V", "-terse"},
    "pbs": {"-N work", "-l select=1:ncpus=4:mem=6000mb:ngpus=1", "-l walltime=1:30:00", "-V", "-j oe"},
}


@pytest.mark.parametrize("scheduler", ["lsf", "sge", "pbs"])
def test_a_workflow_with_a_failing_job(scheduler: str, tmp_path: Path) -> None:
    """A job is submitted with its time, memory, CPUs and GPU; its failure is noticed, and a retry succeeds."""
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    for name in ("bsub", "bjobs", "bkill", "qsub", "qstat", "qacct", "qdel"):
        (programs / name).write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
        (programs / name).chmod(0o755)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    script = SCRIPTS / scheduler
    asked = "{rule} {threads} {resources.runtime} {resources.mem_mb} {resources.gpu}"
    command = [
        str(BIN / "snakemake"), "--executor", "cluster-generic", "--jobs", "2", "--retries", "1", "--latency-wait", "5",
        "--cluster-generic-submit-cmd", f"{script} submit {asked}", "--cluster-generic-status-cmd", f"{script} status",
        "--cluster-generic-cancel-cmd", f"{script} cancel", "--seconds-between-status-checks", "1",
    ]  # fmt: skip
    settings = {**environment(), "SCHEDULER": scheduler, "SCHEDULER_STATE": str(state)}
    settings["PATH"] = f"{programs}:{settings['PATH']}"
    done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:] + "".join(file.read_text() for file in state.glob("*.log"))
    assert (tmp_path / "one.txt").exists()
    submitted = sorted(state.glob("*.options"))
    assert len(submitted) == 2, "the job and its retry"
    for file in submitted:
        assert set(file.read_text().splitlines()) >= ASKED[scheduler]

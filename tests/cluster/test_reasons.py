"""What a user is told of jobs that fail or wait, and what the next attempt asks for. Tiny workflows on the SLURM."""

import json
import re
import subprocess
import time
from pathlib import Path

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import HERE, until
from tests.functional.smoke_run import BIN, environment

# a job that takes 700 MB in its first attempt and asks for what the attempts before it lacked
SNAKEFILE = """
from autoshrink.workflow import attempts


def asked(kind):
    first = {"runtime": 1, "mem_mb": 700, "gpu": 0}

    def function(wildcards, attempt, rulename):
        ended = attempts.causes(rulename, wildcards, attempt)
        return attempts.grown(first, ended, attempts.limits(rulename, wildcards), 1440)[kind]

    return function


rule all:
    input: "one.txt"
    default_target: True

rule work:
    output: "{name}.txt"
    log: "logs/{name}.log"
    resources: runtime=asked("runtime"), mem_mb=asked("mem_mb")
    shell: "COMMAND"
"""
HOG = "python3 -c 'import time; taken = bytearray(800 * 2**20); time.sleep(8)' && touch {output}"
SUBMISSIONS = Path("logs/one.submissions.jsonl")


def workflow(place: Path, command: str, *options: str) -> subprocess.Popen[str]:
    """Start a workflow of one job that runs ``command``, with three attempts."""
    (place / "Snakefile").write_text(SNAKEFILE.replace("COMMAND", command.replace('"', '\\"')))
    words = [str(BIN / "snakemake"), *HERE, "--retries", "2", "--logger", "autoshrink", "--quiet", "host", *options]
    settings = {**environment(), "AUTOSHRINK_ATTEMPTS": "3", "AUTOSHRINK_RUN_FOLDER": str(place)}
    return subprocess.Popen(words, cwd=place, env=settings, stderr=subprocess.PIPE, text=True, start_new_session=True)


def said(process: subprocess.Popen[str]) -> str:
    """Return what the workflow has said when it has ended."""
    _, words = process.communicate(timeout=300)
    return words


def events(place: Path) -> list[dict[str, object]]:
    """Return the events of the job's submissions."""
    file = place / SUBMISSIONS
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_partition_that_is_not_there(slurm: LocalSlurm, tmp_path: Path) -> None:
    """It is told before any job, with the partitions that are there."""
    before = slurm.jobs("all")
    words = said(process := workflow(tmp_path, "touch {output}", "--set-resources", "work:slurm_partition=nowhere"))
    assert process.returncode == 1
    assert "partition nowhere: SLURM has none of that name; it has main, short" in words
    assert "FAILED" not in words
    assert slurm.jobs("all") == before


def test_requests_that_no_node_grants(slurm: LocalSlurm, tmp_path: Path) -> None:
    """More time than the partition's limit and more memory than a node has are told before any job, with the option."""
    asked = ["work:slurm_partition=short", "work:runtime=120", "work:mem_mb=10000000"]
    words = said(process := workflow(tmp_path, "touch {output}", "--set-resources", *asked))
    assert process.returncode == 1
    assert "work asks for 120 minutes, partition short grants 60 at most: --set-resources work:runtime=60" in words
    assert re.search(r"work asks for 10000000 MB on a node, partition short grants \d+ at most", words)


def test_a_refusal_is_told_in_sbatch_s_words(slurm: LocalSlurm, tmp_path: Path) -> None:
    """What sbatch refuses is told by its message, with the attempt, and no log of an earlier attempt is shown."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/one.log").write_text("words of an earlier attempt\n")
    words = said(workflow(tmp_path, "touch {output}", "--set-resources", "work:constraint=nowhere"))
    assert "FAILED (attempt 1 of 3)" in words
    assert "sbatch refused the job: " in words and "nvalid feature" in words
    assert "attempt 2 follows" in words and "no attempt is left" in words
    assert "earlier attempt" not in words and "--wrap" not in words


def test_memory_grows_after_a_lack_of_memory_alone(slurm: LocalSlurm, tmp_path: Path) -> None:
    """A job that is cancelled comes again with what it had; one killed for memory comes with twice the memory."""
    process = workflow(tmp_path, HOG)
    until(lambda: slurm.jobs("RUNNING"), every=0.1)
    (first,) = slurm.jobs("RUNNING")
    slurm.command("scancel", first)
    words = said(process)
    assert process.returncode == 0, words
    causes = [event["cause"] for event in events(tmp_path) if "cause" in event]
    assert causes == ["CANCELLED", "OUT_OF_MEMORY"]
    ids = [str(event["job"]) for event in events(tmp_path) if "cause" not in event]
    asked = [slurm.command("squeue", "-h", "--states=all", f"--jobs={job}", "-o", "%m %l").split() for job in ids]
    assert asked == [["700M", "1:00"], ["700M", "1:00"], ["1400M", "1:00"]]
    assert f"SLURM job {first}: CANCELLED" in words
    assert "OUT_OF_MEMORY, it took more than the 700M it had asked for" in words
    assert "FAILED (attempt 2 of 3)" in words and "attempt 3 follows" in words


def test_time_grows_after_a_lack_of_time_alone(slurm: LocalSlurm, tmp_path: Path) -> None:
    """A job that met its time limit comes again with twice the time and the same memory, and says so."""
    process = workflow(tmp_path, "if [ -e slept ]; then touch {output}; else touch slept; sleep 600; fi")
    words = said(process)
    assert process.returncode == 0, words
    asked = [slurm.command("squeue", "-h", "--states=all", f"--jobs={event['job']}", "-o", "%m %l").split()
             for event in events(tmp_path) if "cause" not in event]  # fmt: skip
    assert asked == [["700M", "1:00"], ["700M", "2:00"]]
    assert "TIMEOUT, it reached its time limit of 1:00" in words


def test_slurm_is_away_for_a_minute(slurm: LocalSlurm, tmp_path: Path) -> None:
    """While the controller is stopped nothing is lost: the job ends meanwhile, and the run goes on when it is back."""
    before = slurm.jobs("all")
    process = workflow(tmp_path, "touch started && sleep 10 && touch {output}", "--set-resources", "work:runtime=10")
    until(lambda: (tmp_path / "started").exists(), every=0.1)
    slurm.stop_controller()
    until(lambda: (tmp_path / "one.txt").exists())
    time.sleep(50)
    assert process.poll() is None
    slurm.start_controller()
    words = said(process)
    assert process.returncode == 0, words
    assert "SLURM does not answer; 1 jobs go on without it" in words
    assert "SLURM answers again after" in words
    assert "FAILED" not in words
    assert len(slurm.jobs("all")) == len(before) + 1

"""The pipeline as a person runs it: once, again, changed, killed, and looked at."""

import json
import random
import re
from pathlib import Path

import pytest

from autoshrink.records.timing import StepTiming
from tests.functional.smoke_run import RESULTS, ROOT, Folder

PAPER = ROOT / "workflow/presets/paper.yaml"


def planned(output: str) -> dict[str, int]:
    """Return the jobs by rule that Snakemake's table of job stats lists."""
    counts = {name: int(count) for name, count in re.findall(r"^([a-z]+) +(\d+)$", output, re.MULTILINE)}
    return {name: count for name, count in counts.items() if name != "total"}


def test_a_second_run_has_nothing_to_do(finished: Folder) -> None:
    """The same command again does nothing and says so."""
    again = finished.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stderr


@pytest.mark.slow
def test_killed_runs_end_in_the_same_bytes(finished: Folder, tmp_path: Path) -> None:
    """A run from scratch, SIGKILLed at seeded random moments and given again, ends as the undisturbed run did."""
    folder = Folder.new(tmp_path / "killed")
    moments = random.Random(2020)
    for attempt in range(4):
        # sometimes with its jobs, sometimes Snakemake alone, whose jobs then live on
        folder.killed(moments.uniform(6, 22), everything=attempt % 2 == 0)
    done = folder.run()
    assert done.returncode == 0, done.stderr
    expected, found = finished.digests(), folder.digests()
    assert {name for name in expected if "checkpoints" not in name} <= set(found)
    assert {name: found.get(name) for name in expected} == expected


def test_the_objective_reuses_every_evaluation(finished: Folder, tmp_path: Path) -> None:
    """Another weight in the objective trains nothing anew: the log counts re-used evaluations."""
    folder = finished.copied(tmp_path / "copy").overlaid("search: {cnn: {objective: {macs_weight: 0.0}}}")
    before = sorted((folder.path / "store").rglob("*.json"))
    done = folder.run("results-smoke/cnn/shrink-0/round-01/round.json")
    assert done.returncode == 0, done.stderr
    assert planned(done.stderr) == {"select": 1}
    assert sorted((folder.path / "store").rglob("*.json")) == before


def test_fewer_candidates_reuse_every_evaluation(finished: Folder, tmp_path: Path) -> None:
    """With a smaller k, the candidates are some of those before: each is taken from the store, and the log says so."""
    folder = finished.copied(tmp_path / "copy").overlaid("search: {cnn: {k: 1}}")
    done = folder.run("results-smoke/cnn/shrink-0/round-01/round.json")
    assert done.returncode == 0, done.stderr
    assert "re-used 1 of 1 evaluations" in folder.log("cnn/shrink-0/round-01/evaluate-0.log")


def test_other_vectors_are_other_evaluations(finished: Folder, tmp_path: Path) -> None:
    """Pre-trained vectors are an input: the same file re-uses evaluations, a file of other content does not."""
    vectors = tmp_path / "vectors.txt"
    text = f"proxy: {{rnn: {{network: {{embedding_file: {vectors}}}}}}}"
    folder = finished.copied(tmp_path / "copy").overlaid(text)
    target, log = "results-smoke/rnn/shrink-0/round-01/evaluations-0.json", "rnn/shrink-0/round-01/evaluate-0.log"

    def reused(content: str) -> bool:
        vectors.write_text(content)
        done = folder.run(target)
        assert done.returncode == 0, done.stderr
        return "re-used 2 of 2" in folder.log(log).splitlines()[-1]

    content = "the" + " 0.1" * 8 + "\n"
    assert not reused(content)
    (folder.path / target).unlink()
    assert reused(content)
    assert not reused(content.replace("0.1", "0.2"))


def test_another_seed_is_another_search(finished: Folder, tmp_path: Path) -> None:
    """Another root seed draws other operators or other candidates."""
    folder = Folder.new(tmp_path / "other").overlaid("{seed: 7, search: {cnn: {nodes: 6}, rnn: {nodes: 6}}}")
    here = Folder.new(tmp_path / "this").overlaid("search: {cnn: {nodes: 6}, rnn: {nodes: 6}}")
    target = f"{RESULTS}/rnn/shrink-0/round-01/proposal.json"
    for each in (folder, here):
        done = each.run(target)
        assert done.returncode == 0, done.stderr
    assert (folder.path / target).read_bytes() != (here.path / target).read_bytes()


def test_two_runs_at_once_are_refused(finished: Folder, tmp_path: Path) -> None:
    """The second run in a folder ends in one line that names the first."""
    import fcntl

    state = tmp_path / "busy" / ".snakemake"
    folder = Folder.new(tmp_path / "busy")
    state.mkdir()
    with (state / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        done = folder.run()
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"run: another run (process 4711) is under way in {folder.path}; wait for it or end it"
    ]


def test_the_paper_preset_plans_the_full_reproduction(tmp_path: Path) -> None:
    """A dry run shows 28 + 11 rounds, 235 + 95 evaluations in jobs of ten, and both final trainings."""
    folder = Folder(Folder.new(tmp_path / "paper").path, (PAPER,))
    done = folder.snakemake("--dry-run")
    assert done.returncode == 0, done.stderr
    jobs = planned(done.stdout)
    assert (jobs["propose"], jobs["select"], jobs["evaluate"]) == (39, 39, 39)
    assert (jobs["train"], jobs["test"], jobs["prepare"]) == (2, 2, 3)


def test_the_workflow_is_clean(tmp_path: Path) -> None:
    """Snakemake's linter finds nothing."""
    done = Folder.new(tmp_path / "lint").snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rule_graph_shows_every_step(tmp_path: Path) -> None:
    """``--rulegraph`` draws all steps, search rounds included."""
    done = Folder.new(tmp_path / "graph").snakemake("--rulegraph", "dot")
    assert done.returncode == 0, done.stderr
    for rule in (
        "prepare",
        "start",
        "propose",
        "evaluate",
        "select",
        "finalists",
        "repeat",
        "best",
        "train",
        "test",
        "report",
    ):
        assert f'"{rule}"' in done.stdout


def test_snakemakes_report_holds_the_figures(finished: Folder, tmp_path: Path) -> None:
    """``--report`` makes one page with the tables and figures under their captions."""
    page = tmp_path / "report.html"
    done = finished.snakemake("--report", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "trajectory" in text
    assert "scatter" in text
    assert "beside published rows" in text


def test_every_step_was_logged_and_measured(finished: Folder) -> None:
    """Every job has left a log, and the heavy ones what they took."""
    logs = {file.name for file in (finished.path / RESULTS / "logs").rglob("*.log")}
    names = {
        "start.log",
        "propose.log",
        "evaluate-0.log",
        "select.log",
        "finalists.log",
        "repeat-1.log",
        "best.log",
        "train.log",
        "test.log",
        "report.log",
    }
    assert names <= logs
    took = StepTiming.beside(finished.path / RESULTS / "cnn/shrink-0/model/model.json")
    assert took.cpu_seconds and took.memory_mib and took.cpu_seconds > 0.1 and took.memory_mib > 100


def test_metrics_name_their_seed(finished: Folder) -> None:
    """Both models' metrics carry the name of the seed they belong to, and their cost beside the complete cell's."""
    for task in ("cnn", "rnn"):
        content = json.loads((finished.path / RESULTS / task / "shrink-0/metrics.json").read_text())
        assert content["seed_name"] == f"2020/{task}/shrink-0"
        assert content["costs"]["parameters"] <= content["complete_costs"]["parameters"]

"""How a search is spread over jobs: the same bytes, fewer submissions, none for rounds that have nothing to do."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.records.evaluation import Evaluation
from autoshrink.search import rounds
from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import HERE, IMAGES, SMALL, ended_well, said, same, started
from tests.functional.smoke_run import BIN, Folder, environment
from tests.unit.search import search_runs


def idle_rounds(folder: Folder) -> int:
    """Return how many rounds of the image search had no candidates."""
    proposals = list((folder.path / IMAGES).glob("round-*/proposal.json"))
    return sum(not json.loads(file.read_text())["candidates"] for file in proposals)


@pytest.mark.parametrize(("job", "per_search"), [("slots", None), ("round", None), ("whole", 1)])
def test_a_search_as(job: str, per_search: int | None, slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Under each of them the records are the local run's; as a whole a search is one submission."""
    folder = Folder.new(tmp_path / "run").overlaid(f"{{tasks: [cnn], search: {{job: {job}, slots_per_job: 1}}}}")
    before = set(slurm.jobs("all"))
    began = time.monotonic()
    resources = {**SMALL, "evaluate:runtime": "5"}
    ended_well(started(folder, f"{IMAGES}/round-03/round.json", resources=resources), folder)
    took = time.monotonic() - began
    names = slurm.command("squeue", "-h", "--states=all", "-o", "%i %k")
    submitted = [line for line in names.splitlines() if line.split()[0] not in before]
    of_rounds = [line for line in submitted if re.search(r"evaluate|propose|select|group|cnn-shrink", line)]
    counts = f"{len(submitted)} submissions, {len(of_rounds)} of them for rounds, {idle_rounds(folder)} idle rounds"
    print(f"{job}: {took:.0f} s, {counts}")
    for number in ("01", "02", "03"):
        same(folder, finished, f"{IMAGES}/round-{number}/round.json")
    if per_search is not None:
        assert len(of_rounds) == per_search, said(folder)[-3000:]


IDLE = """
rule evaluate:
    input: proposal="proposal.json"
    output: "evaluations.json"
    log: "logs/evaluate.log"
    params: slots="0:4"
    shell: "test -z \\"${{SLURM_JOB_ID-}}\\" && touch {output}"
"""


def test_a_round_without_candidates_is_not_submitted(slurm: LocalSlurm, tmp_path: Path) -> None:
    """Its evaluation, which has nothing to train, runs where Snakemake runs."""
    name = rounds.SearchName(Task.CNN, "shrink", 0)

    def evaluate(cell: Cell) -> Evaluation:
        return search_runs.evaluation(cell.key, accuracy=0.5, macs=1e6)

    search_runs.run(search_runs.parameters({}), name, tmp_path, evaluate)
    last = max(tmp_path.glob("round-*/proposal.json"))
    assert not json.loads(last.read_text())["candidates"]
    shutil.copy(last, tmp_path / "proposal.json")
    (tmp_path / "Snakefile").write_text(IDLE)
    before = slurm.jobs("all")
    command = [str(BIN / "snakemake"), "evaluations.json", *HERE]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "evaluations.json").exists()
    assert slurm.jobs("all") == before

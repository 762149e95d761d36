"""How a search is spread over jobs: the same bytes, fewer submissions, none for rounds that have nothing to do."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import IMAGES, SMALL, ended_well, said, same, started
from tests.functional.smoke_run import Folder


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
    rounds = [line for line in submitted if re.search(r"evaluate|propose|select|group|cnn-shrink", line)]
    counts = f"{len(submitted)} submissions, {len(rounds)} of them for rounds, {idle_rounds(folder)} idle rounds"
    print(f"{job}: {took:.0f} s, {counts}")
    for number in ("01", "02", "03"):
        same(folder, finished, f"{IMAGES}/round-{number}/round.json")
    if per_search is not None:
        assert len(rounds) == per_search, said(folder)[-3000:]

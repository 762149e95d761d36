"""Fifty SIGKILLs over real runs of the smoke preset, under Snakemake."""

import random
from pathlib import Path

import pytest

from autoshrink.errors import ArtifactError
from autoshrink.records.evaluation import Evaluation
from tests.functional.smoke_run import Folder

KILLS = 50


def evaluations(folder: Folder) -> dict[str, tuple[int, int, bytes]]:
    """Return every finished evaluation by name: the file itself (inode, time of its making) and its bytes."""
    found = {}
    for path in sorted((folder.path / "store/evaluations").glob("*/*.json")):
        if path.name.endswith((".lineage.json", ".timing.json")):
            continue
        try:
            Evaluation.read(path)
        except ArtifactError:
            continue
        status = path.stat()
        found[path.name] = (status.st_ino, status.st_mtime_ns, path.read_bytes())
    return found


@pytest.mark.slow
def test_fifty_kills_of_smoke_runs(tmp_path: Path) -> None:
    """Killed fifty times at seeded random moments, runs lose no finished evaluation, make none twice, and end alike."""
    undisturbed = Folder.new(tmp_path / "undisturbed")
    done = undisturbed.run()
    assert done.returncode == 0, done.stderr
    expected, complete = undisturbed.digests(), evaluations(undisturbed).keys()

    moments, kills, ends = random.Random(2020), 0, 0
    while kills < KILLS:
        folder = Folder.new(tmp_path / f"killed-{ends}")
        finished: dict[str, tuple[int, int, bytes]] = {}
        while kills < KILLS and evaluations(folder).keys() != complete:
            # sometimes with its jobs, sometimes Snakemake alone, whose jobs then live on
            folder.killed(moments.uniform(3, 12), everything=kills % 2 == 0)
            kills += 1
            now = evaluations(folder)
            assert {name: now.get(name) for name in finished} == finished, f"lost or made again after kill {kills}"
            finished = now
        done = folder.run()
        assert done.returncode == 0, done.stderr
        ends += 1
        found, now = folder.digests(), evaluations(folder)
        assert {name: now.get(name) for name in finished} == finished
        assert {name: found.get(name) for name in expected} == expected
    assert kills == KILLS and ends >= 1

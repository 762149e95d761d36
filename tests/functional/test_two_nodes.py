"""The essential of a cluster, in every test run: two nodes of a real SLURM make what one machine makes.

All else about clusters is in tests/cluster, which takes long: `make cluster`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.local_slurm import LocalSlurm, missing
from tests.cluster.on_slurm import end_all, ended_well, started
from tests.functional.smoke_run import RESULTS, Folder


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[LocalSlurm]:
    """Two nodes of one CPU each."""
    with LocalSlurm(tmp_path / "slurm", nodes=2, cpus=1) as cluster:
        yield cluster
        end_all(cluster, tmp_path)


@pytest.mark.skipif(missing() is not None, reason=f"no SLURM: {missing()}")
def test_two_nodes_make_the_same_bytes(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Data, evaluations and the first rounds of both searches, made by jobs on both nodes, equal the local run's."""
    folder = Folder.new(tmp_path / "run")
    goals = [f"{RESULTS}/{task}/shrink-0/round-01/round.json" for task in ("cnn", "rnn")]
    ended_well(started(folder, *goals), folder)
    found, expected = folder.digests(), finished.digests()
    assert {name: expected.get(name) for name in found} == found
    manifests = {
        str((folder.prepared(name) / "manifest.json").relative_to(folder.path)) for name in ("digits", "sotu-recent")
    }
    assert {*goals, *manifests} <= set(found)
    assert set(slurm.command("squeue", "-h", "--states=COMPLETED", "-o", "%N").split()) == {"n1", "n2"}

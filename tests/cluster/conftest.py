"""A SLURM of two nodes for all tests here; they are skipped, and say why, where it cannot be brought up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.local_slurm import LocalSlurm, missing

# the smoke run's helper is shared with the functional tests
from tests.cluster.on_slurm import end_all
from tests.functional.smoke_run import Folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all tests of this folder where SLURM cannot run."""
    why = missing()
    for item in items:
        if why and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no SLURM: {why}"))


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    """Two nodes of two CPUs, each with two GPUs in name only."""
    with LocalSlurm(tmp_path_factory.mktemp("slurm"), nodes=2, cpus=2, gpus=2) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _nothing_runs_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """End what a test that failed has left running: Snakemake, its jobs, their processes."""
    if "slurm" not in request.fixturenames:
        yield
        return
    cluster, place = request.getfixturevalue("slurm"), request.getfixturevalue("tmp_path")
    yield
    end_all(cluster, place)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """An undisturbed local run of the smoke preset, which runs on the cluster must equal byte for byte."""
    folder = Folder.new(tmp_path_factory.mktemp("runs") / "local")
    done = folder.run()
    assert done.returncode == 0, done.stderr[-4000:]
    return folder

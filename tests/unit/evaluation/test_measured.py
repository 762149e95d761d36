"""Measurements in the store: each has a lineage record, is made once, and only our own files are ever replaced."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from autoshrink.errors import ArtifactError
from autoshrink.evaluation.measured import Measurement, kept
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records
from autoshrink.lineage.records import Code, Facts
from autoshrink.lineage.verify import ALTERED, verify
from tests.unit.lineage import made

IDENTITY: dict[str, Any] = {"cost": "latency_ms", "device": "a board", "cell": "conv_1x1(0)"}
FACTS = Facts(verb="evaluate", code=Code(), environment={})
NAME = f"{artifacts.digest_of(IDENTITY)}.json"


class Meter:
    """Measures 1, 2, 3, ... milliseconds."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        """Return the next."""
        self.count += 1
        return float(self.count)


def measure(folder: Path, meter: Meter) -> float:
    """Return what the folder keeps, or the meter says, with a record."""
    return kept(folder, IDENTITY, meter, lambda: FACTS)


def test_a_measurement_is_made_once_and_recorded(tmp_path: Path) -> None:
    """The record names the file's own bytes, who made it, and no input: a measurement depends on its identity alone."""
    meter = Meter()
    assert [measure(tmp_path, meter) for _ in range(3)] == [1.0, 1.0, 1.0] and meter.count == 1
    path = tmp_path / NAME[:2] / NAME
    record = records.read(records.path_of(path))
    assert record.outputs == {path: artifacts.digest_of_file(path)} and record.inputs == {}
    assert record.verb == "evaluate" and Measurement.read(path).identity == IDENTITY


@pytest.mark.parametrize("damage", ["flipped", "gone", "another's"])
def test_a_damaged_measurement_is_set_aside_and_made_again(damage: str, tmp_path: Path) -> None:
    """Its record says that it is ours; what was there stays beside, and the new one has a record of its own."""
    meter = Meter()
    measure(tmp_path, meter)
    path = tmp_path / NAME[:2] / NAME
    if damage == "flipped":
        path.write_bytes(path.read_bytes().replace(b"1.0", b"9.0"))
    elif damage == "gone":  # killed between the record and the measurement
        path.unlink()
    else:
        Measurement(identity={"cost": "latency_ms"}, value=7.0).write(path)
    assert measure(tmp_path, meter) == 2.0
    assert records.read(records.path_of(path)).outputs == {path: artifacts.digest_of_file(path)}
    assert len(list(path.parent.glob("*.damaged-1"))) == (damage != "gone")


def test_a_file_of_the_users_is_left_alone(tmp_path: Path) -> None:
    """What no record and no seal says is ours ends in one line, and stays."""
    path = tmp_path / NAME[:2] / NAME
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(ArtifactError, match="no record says that AutoShrink wrote it") as caught:
        measure(tmp_path, Meter())
    assert "\n" not in str(caught.value) and path.read_text() == "mine" and len(list(path.parent.iterdir())) == 1


def test_a_run_is_verified_with_its_measurements(pristine: Path, tmp_path: Path) -> None:
    """They belong to the store that a run used: whole ones are no finding, an altered one is named with its record."""
    shutil.copytree(pristine, tmp_path / "run")
    measure(tmp_path / "run/store/measurements", Meter())
    results = tmp_path / "run/results"
    path = tmp_path / "run/store/measurements" / NAME[:2] / NAME
    assert verify(graph.read(results)).findings == ()
    path.write_bytes(path.read_bytes().replace(b"1.0", b"9.0"))
    assert (ALTERED, path) in [(item.kind, item.path) for item in verify(graph.read(results)).findings]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made run's folder; never to be changed."""
    folder = tmp_path_factory.mktemp("measured") / "pristine"
    made.run(folder)
    return folder

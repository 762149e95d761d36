"""Checkpoints: what was saved comes back, and what is damaged is passed over."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.files import checkpoints

IDENTITY = {"cell": "a"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".json", ".safetensors"]))
def test_a_damaged_checkpoint_is_passed_over(
    data: st.DataObject, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However its files are changed, the one before it is taken, whole, and the damaged one is kept aside."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for step in (1, 2):
        newest = checkpoints.save(folder, step, {"weights": torch.ones(3) * step, "epoch": step}, IDENTITY, keep=2)
    path = newest.with_suffix(suffix)
    good = path.read_bytes()
    start, end = (data.draw(st.integers(0, len(good))) for _ in range(2))
    path.write_bytes(bad := good[:start] + data.draw(st.binary(max_size=8)) + good[end:])
    found = checkpoints.load_latest(folder, IDENTITY)
    assert found is not None
    assert found.step == (2 if bad == good else 1)
    assert found.state["epoch"] == found.step and torch.equal(found.state["weights"], torch.ones(3) * found.step)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_are_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    for suffix in (".json", ".safetensors"):
        (tmp_path / f"step-000000001{suffix}").write_bytes(content)
    assert checkpoints.load_latest(tmp_path, IDENTITY) is None


def test_a_users_file_of_such_a_name_stays(tmp_path: Path) -> None:
    """A file that is neither sealed nor stands beside tensors is neither removed nor renamed."""
    mine = tmp_path / "step-000000000.json"
    mine.write_text("mine")
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, {"epoch": step}, IDENTITY, keep=1)
    found = checkpoints.load_latest(tmp_path, IDENTITY)
    assert found is not None and found.step == 3
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["step-000000000.json", "step-000000003.json"]
    assert mine.read_text() == "mine"

"""The verb ``plan``: its table, its file with a lineage record, and one line for each mistake."""

import json
from pathlib import Path

import pytest

from autoshrink.cli import main
from autoshrink.lineage import records
from autoshrink.planner.outcome import Plan


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return status, output and errors of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_a_torchvision_network_is_planned_and_recorded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    status, said, _ = run(capsys, "alexnet", "--devices", "tpu-boards", "--out", str(out))
    assert status == 0
    assert "times as fast as data parallelism with equal shares under accpar" in said
    assert len(Plan.load(out).methods) == 8
    record = records.read(records.path_of(out))
    assert record.verb == "plan"
    assert record.facts.subject is not None and record.facts.subject["network"] == "alexnet"


def test_json_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = run(capsys, "alexnet", "--devices", "tpu-boards", "--method", "hypar", "--json")
    assert status == 0
    assert json.loads(said)["chosen"] == "hypar, balanced shares"


def test_a_recurrent_cell_is_planned(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By name for the paper's sequences; the plan file says how long they are and what each type means."""
    out = tmp_path / "plan.json"
    words = ["shrinkrnn", "--preset", "paper", "--devices", "tpu-boards", "--out", str(out)]
    status, said, _ = run(capsys, *words)
    assert status == 0
    assert "shrinkrnn: 8 layers with weights, 22.99 M weights" in said
    assert "an example is 35 time steps" in said
    assert "times as fast as data parallelism" in said
    assert "Types II and III are planned, not executed" in said
    made = Plan.load(out)
    assert made.time_steps == 35
    assert all(item.exact for item in made.methods)
    assert made.to_json()["placements"]["dense"]["II"] == {
        "weight": "Shard(1)",
        "input": "Shard(1)",
        "output": "Partial()",
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["alexnet", "--devices", "no.yaml"], "no.yaml: there is no such device file"),
        (["no.onnx", "--devices", "tpu-boards"], "no.onnx: there is no such file"),
        (["nonet", "--devices", "tpu-boards"], "nonet: neither a file, nor a released cell"),
        (["alexnet", "--devices", "tpu-boards", "--calibrate", "x"], "--calibrate x: no ONNX file, and one of: tpu-v2"),
        (["alexnet", "--devices", "tpu-boards", "--time-steps", "5"], "--time-steps 5: alexnet has no loop over time"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    status, _, errors = run(capsys, *words)
    assert status == 2
    assert errors.startswith(f"autoshrink plan: {line}")
    assert errors.count("\n") == 1

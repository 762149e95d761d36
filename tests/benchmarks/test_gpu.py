"""``make bench-gpu``: what it measures is tried on a CPU, so that no GPU minute is lost to a slip."""

import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from benchmarks import gpu, gpu_cases, tables
from benchmarks.gpu import Case, Setting

HERE = Setting("smoke", "nowhere", "cpu", "work")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gpu_cases.Bench]:
    """What the cases share, in a rehearsal."""
    before = torch.get_num_threads()
    yield gpu_cases.Bench("smoke", "nowhere", "cpu", str(tmp_path_factory.mktemp("work")))
    torch.set_num_threads(before)


def named(*wanted: str) -> list[Case]:
    """Return the cases of these names."""
    found = [case for case in gpu.cases(rehearsal=True) if f"{case.part}: {case.name}" in wanted]
    assert len(found) == len(wanted)
    return found


QUICK = named(
    "exact: cnn, graphs, dropout",
    "exact: cnn, graphs, channels first",
    "exact: rnn, graphs",
    "steps: shrinkrnn, sgd",
    "steps: shrinkrnn, asgd",
    "steps: shrinkrnn, epochs",
    "steps: shrinkcnn-a, tf32",
    "layouts: channels first, float32, not deterministic",
)
SLOW = named("rounds: rnn, plain loop", "rounds: cnn, k = 2", "input: 0 workers", "searches: rnn, jobs")


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_a_case_gives_numbers(case: Case, bench: gpu_cases.Bench) -> None:
    """Each has rows of the file's columns; together equals alone on a CPU as well."""
    check(case, bench.measure(case.part, case.settings))


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.name)
def test_a_case_of_several_processes_gives_numbers(case: Case, tmp_path: Path) -> None:
    """So do those that start others, in a session of their own."""
    rows = gpu.run(case, Setting("smoke", "nowhere", "cpu", str(tmp_path)), 500.0)
    assert rows is not None
    check(case, rows)


def check(case: Case, rows: list[dict[str, Any]]) -> None:
    """Check a case's rows."""
    assert [row["value"] for row in rows if row["quantity"] == "failed"] == []
    assert rows and all(set(row) <= set(gpu.COLUMNS) and row["data"].startswith("synthetic") for row in rows)
    values = {row["quantity"]: float(row["value"]) for row in rows}
    if case.part == "exact":
        assert values["together equals alone"] == 1
    assert all(value >= 0 for value in values.values())


def test_every_case_has_a_name_and_a_measurement() -> None:
    """Rounds of every k from 1 to 20 among them, with the plain loop they are compared with; no name twice."""
    names = [(case.part, case.name) for case in gpu.cases()]
    assert len(set(names)) == len(names) and {part for part, _ in names} == set(gpu.PARTS)
    for task in ("cnn", "rnn"):
        assert {f"{task}, k = {k}" for k in range(1, 21)} | {f"{task}, plain loop"} <= {name for _, name in names}
    assert all(callable(getattr(gpu_cases.Bench, part)) for part in gpu.PARTS)
    assert all(case.needs < 9.5 * 60 - 60 for case in gpu.cases())


class Calls:
    """Stands for the cases' processes: what was asked to run, and what each gives."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.asked = given, list[str]()

    def run(self, case: Case, setting: Setting, seconds: float) -> Any:
        """Give what was set, and note the call."""
        self.asked.append(case.name)
        value = self.given[case.name]
        return value if value is None else [{"quantity": "time", "value": value, "unit": "s"}]


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Three cases, the second of which needs more time than it is given at first."""
    cases = [Case("exact", "a", {}, 1.0), Case("steps", "b", {}, 1.0), Case("rounds", "c", {}, 1.0)]
    monkeypatch.setattr(gpu, "cases", lambda rehearsal=False: cases)
    calls = Calls({"a": "1", "b": None, "c": "3"})
    monkeypatch.setattr(gpu, "run", calls.run)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return calls


def call(out: Path, *more: str) -> str:
    """Call the benchmark and return what it says."""
    done = CliRunner().invoke(gpu.main, ["--rehearse", "--out", str(out), *more])
    assert not done.exception, done.output
    return done.output


def test_a_call_goes_on_where_the_last_one_stopped(three: Calls, tmp_path: Path) -> None:
    """Rows are there as soon as a case ends, none is measured twice, and what did not end is first the next time."""
    assert "2 cases left; call again" in call(tmp_path)
    assert three.asked == ["a", "b"]
    three.given["b"] = "2"
    assert "steps: b: time 2 s" in call(tmp_path)
    assert three.asked == ["a", "b", "b", "c"]
    assert "complete" in call(tmp_path)
    with (tmp_path / "cpu.csv").open() as file:
        assert [(row["case"], row["value"]) for row in csv.DictReader(file)] == [("a", "1"), ("b", "2"), ("c", "3")]


def test_parts_are_chosen_and_time_is_kept(three: Calls, tmp_path: Path) -> None:
    """A case is not begun when less time is left than it needs; an unknown part is told."""
    call(tmp_path, "--minutes", "0.01")
    assert three.asked == []
    call(tmp_path, "--parts", "rounds")
    assert three.asked == ["c"]
    done = CliRunner().invoke(gpu.main, ["--rehearse", "--parts", "round", "--out", str(tmp_path)])
    assert done.exit_code == 1 and "--parts: round is no part; accepted: exact, steps" in done.output


def test_a_failed_case_is_measured_again_only_where_asked_for(three: Calls, tmp_path: Path) -> None:
    """One that a bug or the memory ends does not stop the others, call after call."""
    tables.append(tmp_path / "cpu.csv", gpu.COLUMNS, [dict.fromkeys(gpu.COLUMNS, "") | FAILED])
    three.given["b"] = "2"
    call(tmp_path)
    assert three.asked == ["b", "c"]
    call(tmp_path, "--retry")
    assert three.asked == ["b", "c", "a"]


FAILED = {"preset": "smoke", "part": "exact", "case": "a", "quantity": "failed", "value": "CUDA error"}


def test_no_child_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that does not end in time is killed with all it started, also what left its group."""
    script = (
        "import os, subprocess, time\n"
        "subprocess.Popen(['sleep', '61.73'], preexec_fn=os.setpgrp)\n"
        "subprocess.Popen(['sleep', '61.73'])\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(gpu, "command", lambda about, out: [sys.executable, "-c", script])
    started = time.monotonic()
    assert gpu.run(Case("exact", "a", {}), HERE, 3.0) is None
    assert time.monotonic() - started < 30
    words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"sleep\x0061.73" in line for line in words)


def test_a_case_that_fails_or_never_ends_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of what it said is its row; one that had all the time of a call is not tried for ever."""
    monkeypatch.setattr(gpu, "command", lambda about, out: ["sh", "-c", "echo before; echo CUDA error; exit 3"])
    (row,) = gpu.run(Case("exact", "a", {}), HERE, 30.0) or []
    assert (row["quantity"], row["value"]) == ("failed", "CUDA error")
    monkeypatch.setattr(gpu, "command", lambda about, out: ["sleep", "60"])
    monkeypatch.setattr(gpu, "WHOLE", 0.2)
    (row,) = gpu.run(Case("exact", "a", {}), HERE, 0.3) or []
    assert row["value"] == "did not end in 0 s"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_machine_without_a_gpu_is_told(tmp_path: Path) -> None:
    """One line, and nothing is written."""
    done = CliRunner().invoke(gpu.main, ["--out", str(tmp_path)])
    assert done.exit_code == 1 and "there is no CUDA GPU that torch can use here" in done.output
    assert not list(tmp_path.iterdir())


def test_time_spent_is_kept_over_calls(tmp_path: Path) -> None:
    """A search that is gone on from counts the time of both calls."""
    with gpu_cases.Spent(tmp_path / "spent.json").on("evaluate"):
        time.sleep(0.02)
    again = gpu_cases.Spent(tmp_path / "spent.json")
    first = again.seconds["evaluate"]
    with again.on("evaluate"):
        time.sleep(0.02)
    assert again.seconds["evaluate"] > first + 0.01 > 0.03

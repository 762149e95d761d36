from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.params import budget

ROOT = Path(__file__).resolve().parents[3]
PAPER = [ROOT / "params.yaml", ROOT / "workflow/presets/paper.yaml"]


def test_a_retry_gets_more_but_no_more_gpus() -> None:
    """Time and memory grow with each attempt; with its GPUs a training would change its numbers."""
    parameters = params.load([*PAPER], ["compute.device=cuda"])
    first = budget.of(parameters, "evaluate", "rnn")
    third = budget.of(parameters, "evaluate", "rnn", attempt=3)
    assert first["gpu"] == third["gpu"] == 1
    assert third["mem_mb"] == 3 * first["mem_mb"]
    assert first["runtime"] < third["runtime"] <= budget.LONGEST


def test_no_job_asks_for_more_than_a_day() -> None:
    """What takes longer goes on from its checkpoint: a queue that ends after a day would refuse a longer retry."""
    parameters = params.load([*PAPER], ["compute.device=cpu"])
    runtimes = [budget.of(parameters, "train", "cnn", attempt)["runtime"] for attempt in (1, 2, 9)]
    assert runtimes == [budget.LONGEST] * 3


@pytest.mark.parametrize("task", ["cnn", "rnn"])
def test_a_paper_evaluation_is_no_smoke_evaluation(task: str) -> None:
    """Requests follow the preset."""
    paper = params.load([*PAPER])
    smoke = params.load([ROOT / "params.yaml", ROOT / "workflow/presets/smoke.yaml"])
    for kind in ("runtime", "mem_mb"):
        assert budget.of(paper, "evaluate", task)[kind] > 2 * budget.of(smoke, "evaluate", task)[kind]


def test_gpus_are_counted_without_waking_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scheduler or user has made visible counts."""
    for visible, count in (("", 0), ("-1", 0), ("0,1", 2), ("GPU-a", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        budget.gpus.cache_clear()
        assert budget.gpus() == count
    budget.gpus.cache_clear()

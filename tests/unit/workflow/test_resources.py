import json
from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.workflow import resources

ROOT = Path(__file__).resolve().parents[3]
PAPER = [ROOT / "params.default.yaml", ROOT / "workflow/presets/paper.yaml"]


def test_a_retry_gets_what_was_lacking() -> None:
    """Memory grows after a lack of memory, time after a lack of time, nothing else; with more GPUs numbers change."""
    parameters = params.load([*PAPER], ["compute.device=cuda"])
    first = resources.of(parameters, "evaluate", "rnn")
    assert resources.of(parameters, "evaluate", "rnn", ["OUT_OF_MEMORY"]) == {**first, "mem_mb": 2 * first["mem_mb"]}
    assert resources.of(parameters, "evaluate", "rnn", ["TIMEOUT"]) == {**first, "runtime": 2 * first["runtime"]}
    assert resources.of(parameters, "evaluate", "rnn", ["CANCELLED", "FAILED", "NODE_FAIL", "PREEMPTED"]) == first


def test_no_job_asks_for_more_than_a_day() -> None:
    """What takes longer goes on from its checkpoint: a queue that ends after a day would refuse a longer retry."""
    parameters = params.load([*PAPER], ["compute.device=cpu"])
    runtimes = [resources.of(parameters, "train", "cnn", ["TIMEOUT"] * failures)["runtime"] for failures in (0, 1, 8)]
    assert runtimes == [resources.LONGEST] * 3


@pytest.mark.parametrize("task", ["cnn", "rnn"])
def test_a_paper_evaluation_is_no_smoke_evaluation(task: str) -> None:
    """Requests follow the preset."""
    paper = params.load([*PAPER])
    smoke = params.load([ROOT / "params.default.yaml", ROOT / "workflow/presets/smoke.yaml"])
    for kind in ("runtime", "mem_mb"):
        assert resources.of(paper, "evaluate", task)[kind] > 2 * resources.of(smoke, "evaluate", task)[kind]


def test_gpus_are_counted_without_waking_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scheduler or user has made visible counts."""
    for visible, count in (("", 0), ("-1", 0), ("0,1", 2), ("GPU-a", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        resources.gpus.cache_clear()
        assert resources.gpus() == count
    resources.gpus.cache_clear()


@pytest.mark.parametrize("step", ["prepare", "evaluate", "train", "test", "report"])
@pytest.mark.parametrize("task", ["cnn", "rnn"])
def test_the_paper_asks_for_more_than_the_smoke_run(step: str, task: str) -> None:
    """What a step asks of a cluster grows with what the parameters ask of the step, and stays within a day."""
    small, large = (
        resources.of(params.load([ROOT / "params.default.yaml", ROOT / f"workflow/presets/{name}.yaml"]), step, task)
        for name in ("smoke", "paper")
    )
    assert small["runtime"] <= large["runtime"] <= resources.LONGEST
    assert small["mem_mb"] <= large["mem_mb"]
    if step in ("evaluate", "train"):
        assert small["runtime"] < large["runtime"]


@pytest.mark.parametrize(
    ("device", "visible", "expected"), [("cuda", "", 1), ("cpu", "0,1", 0), ("auto", "0", 1), ("auto", "", 0)]
)
def test_gpus_are_asked_for_where_they_are_used(
    device: str, visible: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job asks for a GPU when told to use one, or when one is here to be used."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    resources.gpus.cache_clear()
    parameters = params.load([ROOT / "params.default.yaml"], [f"compute.device={device}"])
    assert resources.of(parameters, "evaluate", "cnn")["gpu"] == expected
    resources.gpus.cache_clear()


@pytest.mark.parametrize(
    ("asked", "processes"),
    [
        ({}, 1),
        ({"gpu": 4}, 4),
        ({"gpu": 0, "nodes": 2, "gres": "gpu:2"}, 4),
        ({"gres": "'gpu:h100:8'"}, 8),
        ({"gpu": "input.size // 2"}, None),
    ],
)
def test_a_training_has_a_process_for_each_gpu_on_all_its_nodes(
    asked: dict[str, object], processes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expression is Snakemake's to evaluate."""
    monkeypatch.setattr(resources, "gpus", lambda: 0)
    assert resources.processes(params.load([*PAPER], ["compute.device=cpu"]), asked) == processes


def test_a_training_asks_for_all_its_processes_use() -> None:
    """CPUs and memory for each process on a node and for those that decode its images, where any do."""
    files = {"folder": "images", "storage": "files"}
    overlay = [f"datasets.own={json.dumps({'source': 'imagefolder', **files})}", "training.cnn.dataset=own"]
    settings = [*overlay, "training.cnn.loader_workers=8", "compute.threads=2", "compute.device=cuda"]
    decoding = params.load([ROOT / "params.default.yaml"], settings)
    assert resources.cpus(decoding, "train", "cnn") == 2 + 8
    assert resources.cpus(decoding, "train", "cnn", processes=8) == 8 * (2 + 8)
    assert resources.cpus(decoding, "evaluate", "cnn") == 2
    one, eight = (resources.of(decoding, "train", "cnn", processes=count) for count in (1, 8))
    assert eight == {**one, "mem_mb": 8 * one["mem_mb"]}
    resident = params.load([ROOT / "params.default.yaml"], ["training.cnn.loader_workers=8", "compute.device=cuda"])
    assert resources.cpus(resident, "train", "cnn") == 1
    assert resources.of(resident, "train", "cnn")["mem_mb"] < one["mem_mb"]


def test_finalists_by_the_final_recipe_have_one_thread() -> None:
    """They are trained one after another; what decodes their images comes on top."""
    own = json.dumps({"source": "imagefolder", "folder": "images", "storage": "files"})
    settings = [f"datasets.own={own}", "training.cnn.dataset=own", "training.cnn.loader_workers=8", "compute.threads=2"]
    final, proxy = (
        params.load([ROOT / "params.default.yaml"], [*settings, f"search.cnn.finalists.recipe={recipe}"])
        for recipe in ("final", "proxy")
    )
    assert (resources.cpus(final, "repeat", "cnn"), resources.cpus(proxy, "repeat", "cnn")) == (1 + 8, 2)
    assert resources.cpus(final, "evaluate", "cnn") == 2


def test_processes_are_counted_by_node() -> None:
    """Two nodes of two GPUs: two processes on each."""
    parameters = params.load([*PAPER], ["compute.device=cuda"])
    assert resources.processes_on_a_node(parameters, {"gpu": 0, "nodes": 2, "gres": "gpu:2"}) == 2
    assert resources.processes_on_a_node(parameters, {"gpu": 8}) == 8

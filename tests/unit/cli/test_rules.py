"""What the rules' functions ask for a job."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from autoshrink import params
from autoshrink.cli.rules import Rules
from autoshrink.workflow import attempts
from autoshrink.workflow.plan import Plan

DEFAULT = Path(__file__).resolve().parents[3] / "params.default.yaml"


def asked(given: dict[str, Any], *settings: str, attempt: int = 1) -> tuple[int, int, int]:
    """Return CPUs, megabytes and minutes of the final training, whose rule was given these resources."""
    resources = {name: SimpleNamespace(raw=value) for name, value in given.items()}
    workflow = SimpleNamespace(get_rule=lambda name: SimpleNamespace(resources=resources))
    rules = Rules(Plan(params.load([DEFAULT], ["compute.device=cpu", *settings])), workflow)
    wildcards = {"task": "cnn", "search": "shrink-0"}
    memory, minutes = (rules.resource(kind, "train")(wildcards, attempt, "train") for kind in ("mem_mb", "runtime"))
    return rules.cpus("train")(wildcards, "train"), memory, minutes


def test_eight_gpus_get_eight_times_the_cpus_and_memory() -> None:
    """`--set-resources train:gpu=8` starts eight processes; by nodes, those of one node count."""
    cpus, memory, minutes = asked({}, "compute.threads=2")
    assert asked({"gpu": 8}, "compute.threads=2") == (8 * cpus, 8 * memory, minutes)
    assert asked({"gpu": 0, "gres": "gpu:4", "nodes": 2}, "compute.threads=2") == (4 * cpus, 4 * memory, minutes)


def test_an_expression_is_snakemake_s_to_evaluate() -> None:
    """What it comes to is not known here: one process is asked for."""
    assert asked({"gpu": "input.size // 2"}) == asked({})


def test_a_retry_asks_for_what_was_lacking(monkeypatch: Any) -> None:
    """By what the executor has said of the same rule and wildcards."""
    first = asked({})
    monkeypatch.setattr(attempts, "causes", lambda rule, wildcards, attempt: ["OUT_OF_MEMORY"] * (attempt - 1))
    assert asked({}, attempt=2) == (first[0], 2 * first[1], first[2])

"""Made-up tests of networks, to judge."""

from collections.abc import Sequence

import numpy as np

from autoshrink import params
from autoshrink.evidence import verdict
from autoshrink.params.base import Task
from autoshrink.records.reference import NetworkTest, SeedResult
from autoshrink.records.verdict import Verdict
from autoshrink.search.rounds import SearchName
from autoshrink.tasks.spec import spec_of


def tested(task: Task, name: str, values_SE: verdict.Outcomes, macs: int = 1000) -> NetworkTest:
    """Return a network's record."""
    metric = spec_of(task).metric
    return NetworkTest(
        task=task,
        search="shrink-0",
        name=name,
        dataset="made",
        examples=values_SE.shape[1],
        costs={"parameters": 2 * macs, "macs": macs, "activation_bytes": 4096},
        learning_rate=1.0,
        results=tuple(
            SeedResult(repetition=seed, quality=verdict.metric_of(metric, float(values_E.mean())))
            for seed, values_E in enumerate(values_SE)
        ),
    )


def judged(task: Task, outcomes: Sequence[verdict.Outcomes], macs: Sequence[int] | None = None) -> Verdict:
    """Return the verdict on networks of these outcomes, the found one's first."""
    names = ["found", *(f"reference-{number}" for number in range(1, len(outcomes)))]
    tests = [
        tested(task, name, values_SE, 1000 if macs is None else macs[index])
        for index, (name, values_SE) in enumerate(zip(names, outcomes, strict=True))
    ]
    return verdict.judge(SearchName(task, "shrink", 0), params.load([], []), tests, outcomes)


def shares(examples: int, *rights: int) -> list[verdict.Outcomes]:
    """Return outcomes under one seed: the first so many examples right."""
    return [(np.arange(examples) < right).astype(np.float32)[None] for right in rights]

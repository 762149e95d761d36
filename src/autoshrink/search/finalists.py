"""Finalists: a search's best cells, evaluated again under new seeds, so that its answer is not one lucky score.

The greatest of many noisy scores is mostly noise (the winner's curse). A finalist's mean leaves out the score that made
it a finalist; the seeds are the same for all finalists, so that their differences are of pairs.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoshrink.errors import ArtifactError
from autoshrink.params.base import Task
from autoshrink.params.search import Finalists, TaskSearch
from autoshrink.params.sections import TaskProxy
from autoshrink.records.best import Finalist, Finals
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.proposal import Fidelity, ProposedSlot
from autoshrink.records.record import Metrics
from autoshrink.records.round import Round, ScoredSlot
from autoshrink.runtime import seeds
from autoshrink.search.objective import preference, score
from autoshrink.tasks.spec import spec_of


def seed_of(root: int, repeat: int) -> int:
    """Return the root seed of a repeat, counted from 1: the same for all searches, tasks and strategies of a run."""
    return seeds.derive(root, f"finalists/repeat-{repeat}")


def jobs(settings: Finalists | None, slots_per_job: int) -> list[tuple[int, range]]:
    """Return the repeat and the slots of each job that evaluates finalists; none where there are to be no finalists."""
    if settings is None:
        return []
    return [
        (repeat, range(first, min(first + slots_per_job, settings.count)))
        for repeat in range(1, settings.repeats + 1)
        for first in range(0, settings.count, slots_per_job)
    ]


def contenders(rounds: Sequence[Round]) -> list[tuple[int, ScoredSlot]]:
    """Return the distinct cells that may be the answer, each with the first round it was in, the best score first.

    They were trained in full, are within all limits and have a finite score; a round need not have kept them.
    """
    found: dict[str, tuple[int, ScoredSlot]] = {}
    for content in rounds:
        for item in content.candidates:
            if item.fidelity is None and item.violation == 0 and item.score is not None:
                found.setdefault(item.key, (content.round, item))
    return sorted(found.values(), key=lambda entry: preference(entry[1].score or 0.0, entry[1].cell))


def proposed(settings: Finalists, rounds: Sequence[Round]) -> tuple[ProposedSlot, ...]:
    """Return the finalists as candidates of a proposal."""
    fidelity = None if settings.epochs is None else Fidelity(epochs=settings.epochs)
    return tuple(
        ProposedSlot(
            slot=slot,
            cell=item.cell,
            canonical=item.cell.canonical(),
            key=item.key,
            origin=f"round {number}: {item.origin}",
            removed=(),
            fidelity=fidelity,
        )
        for slot, (number, item) in enumerate(contenders(rounds)[: settings.count])
    )


@dataclass(frozen=True)
class Verdict:
    """The answer among finalists: where it was found, and the means of its evaluations."""

    round: int
    item: ScoredSlot
    score: float
    metrics: Metrics
    finals: Finals


def judge(
    section: TaskSearch,
    proxy: TaskProxy,
    task: Task,
    rounds: Sequence[Round],
    by_repeat: Mapping[int, Mapping[int, Evaluation]],
    root: int,
) -> Verdict | None:
    """Return the answer by the section's rule; None where no finalist has a finite score.

    ``by_repeat`` holds, for each repeat, an evaluation per finalist. Raises ArtifactError where one is missing or of
    another cell.
    """
    settings = section.finalists
    assert settings is not None
    chosen = contenders(rounds)[: settings.count]
    metric = spec_of(task).metric.name
    repeats = range(1, settings.repeats + 1)
    entries, means = [], []
    for slot, (number, item) in enumerate(chosen):
        evaluations = [_evaluation(by_repeat, repeat, slot, item.key) for repeat in repeats]
        # a cost that was measured and not counted is the cell's, and the round has it
        scores = [
            score(task, section.objective, proxy, item.cell, found.metrics, {**item.costs, **found.costs})
            for found in evaluations
        ]
        finite = [value for value in scores if value is not None]
        means.append(_means([found.metrics for found in evaluations]))
        entries.append(
            Finalist(
                round=number,
                slot=item.slot,
                key=item.key,
                first_score=item.score or 0.0,
                scores=tuple(scores),
                qualities=tuple(found.metrics.get(metric) for found in evaluations),
                mean=statistics.fmean(finite) if finite else None,
                standard_error=None,
                macs=item.costs["macs"],
            )
        )
    deviation = pooled([entry.scores for entry in entries])
    entries = [entry.model_copy(update={"standard_error": _error(entry, deviation)}) for entry in entries]
    taken = _answer(settings, entries, [item for _, item in chosen])
    if taken is None:
        return None
    answer = entries[taken]
    assert answer.mean is not None
    finals = Finals(
        rule=settings.rule,
        seeds=tuple(seed_of(root, repeat) for repeat in repeats),
        epochs=settings.epochs,
        score_deviation=deviation,
        quality_deviation=pooled([entry.qualities for entry in entries]),
        candidates=tuple(entries),
    )
    return Verdict(answer.round, chosen[taken][1], answer.mean, means[taken], finals)


def pooled(groups: Sequence[Sequence[float | None]]) -> float | None:
    """Return the standard deviation within groups, pooled over them; None where no group has two finite values."""
    total, freedom = 0.0, 0
    for group in groups:
        finite = [value for value in group if value is not None]
        if len(finite) > 1:
            total += statistics.variance(finite) * (len(finite) - 1)
            freedom += len(finite) - 1
    return math.sqrt(total / freedom) if freedom else None


def _answer(settings: Finalists, entries: Sequence[Finalist], items: Sequence[ScoredSlot]) -> int | None:
    """Return the finalist that the rule takes."""
    # one that diverged under fewer seeds comes first, whatever its mean
    order = sorted(
        (sum(value is None for value in entry.scores), preference(entry.mean, item.cell), slot)
        for slot, (entry, item) in enumerate(zip(entries, items, strict=True))
        if entry.mean is not None
    )
    if not order:
        return None
    diverged, _, best = order[0]
    leader = entries[best]
    if settings.rule == "best_mean" or leader.standard_error is None or leader.mean is None:
        return best
    least = leader.mean - leader.standard_error
    near = [slot for times, _, slot in order if times == diverged and (entries[slot].mean or 0.0) >= least]
    return min(near, key=lambda slot: (entries[slot].macs, near.index(slot)))


def _error(entry: Finalist, deviation: float | None) -> float | None:
    finite = sum(value is not None for value in entry.scores)
    return deviation / math.sqrt(finite) if deviation is not None and finite else None


def _evaluation(by_repeat: Mapping[int, Mapping[int, Evaluation]], repeat: int, slot: int, key: str) -> Evaluation:
    found = by_repeat.get(repeat, {}).get(slot)
    if found is None:
        raise ArtifactError(f"finalist {slot} has no evaluation of repeat {repeat}; run the finalists' jobs again")
    if found.identity.cell != key:
        raise ArtifactError(
            f"finalist {slot}: its evaluation of repeat {repeat} is of another cell; remove the finalists' files and "
            "run again"
        )
    return found


def _means(metrics: Sequence[Metrics]) -> Metrics:
    """Return the mean of each metric over evaluations; None where one of them is not finite."""
    found: dict[str, float | None] = {}
    for name in metrics[0]:
        if name == "best_epoch":
            continue  # a number of one training
        values = [each.get(name) for each in metrics]
        finite = [value for value in values if value is not None]
        found[name] = statistics.fmean(finite) if len(finite) == len(values) else None
    return found

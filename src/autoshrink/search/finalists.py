"""Finalists: a search's best cells, evaluated again under new seeds, so that its answer is not one lucky score.

The best of them may be evaluated in other networks too, all at the budget's cost, and the answer is a cell and a
network.

The greatest of many noisy scores is mostly noise (the winner's curse). A finalist's mean leaves out the score that made
it a finalist; the seeds are the same for all finalists, so that their differences are of pairs.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoshrink.errors import ArtifactError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.search import Finalists, TaskSearch
from autoshrink.params.sections import TaskProxy, sections_of
from autoshrink.records.best import Finalist, Finals
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.manifest import Manifest
from autoshrink.records.proposal import Changes, Fidelity, ProposedSlot, in_full
from autoshrink.records.record import Metrics
from autoshrink.records.round import Round, ScoredSlot
from autoshrink.runtime import seeds
from autoshrink.search.objective import preference, score
from autoshrink.tasks.spec import AnyTask, spec_of


def seed_of(root: int, repeat: int) -> int:
    """Return the root seed of a repeat, counted from 1: the same for all searches, tasks and strategies of a run."""
    return seeds.derive(root, f"finalists/repeat-{repeat}")


def jobs(settings: Finalists | None, slots_per_job: int) -> list[tuple[int, range]]:
    """Return the repeat and the slots of each job that evaluates finalists; none where there are to be no finalists."""
    if settings is None:
        return []
    return [
        (repeat, range(first, min(first + slots_per_job, settings.slots)))
        for repeat in range(1, settings.repeats + 1)
        for first in range(0, settings.slots, slots_per_job)
    ]


def by_final_recipe(parameters: Parameters, task: Task) -> bool:
    """Return whether the final training's recipe evaluates the finalists."""
    settings = spec_of(task).search(parameters).finalists
    return settings is not None and settings.recipe == "final"


def share(parameters: Parameters, task: Task, manifest: Manifest | None = None) -> float:
    """Return how many evaluations of a round one of a finalist takes; ``manifest`` is of the final data."""
    spec = spec_of(task)
    settings, proxy = spec.search(parameters).finalists, spec.proxy(parameters)
    if settings is None or settings.recipe == "proxy":
        epochs = None if settings is None else settings.epochs
        return float((epochs or proxy.training.epochs) / proxy.training.epochs)
    recipe, work = spec.training(parameters), spec.workload(parameters, manifest)
    return float(work.training_minutes / work.proxy_minutes * (settings.epochs or recipe.epochs) / recipe.epochs)


def contenders(rounds: Sequence[Round]) -> list[tuple[int, ScoredSlot]]:
    """Return the distinct cells that may be the answer, each with the first round it was in, the best score first.

    They were trained in full, are within all limits and have a finite score; a round need not have kept them.
    """
    found: dict[str, tuple[int, ScoredSlot]] = {}
    for content in rounds:
        for item in content.candidates:
            if in_full(item.fidelity) and item.violation == 0 and item.score is not None:
                found.setdefault(item.key, (content.round, item))
    return sorted(found.values(), key=lambda entry: preference(entry[1].score or 0.0, entry[1].cell))


@dataclass(frozen=True)
class Chosen:
    """A finalist: a candidate of a round, and what the network around it has other than the recipes'."""

    round: int
    item: ScoredSlot
    network: Changes


def chosen(settings: Finalists, proxy: TaskProxy, task: Task, rounds: Sequence[Round]) -> list[Chosen]:
    """Return the finalists: the best cells, then the first of them in each of the other networks that differ."""
    cells = [Chosen(number, item, {}) for number, item in contenders(rounds)[: settings.count]]
    reads = sections_of(task).reads
    return cells + [
        Chosen(entry.round, entry.item, changes)
        for entry in cells[: settings.network_cells]
        for changes in settings.networks
        if any(reads(key, proxy.network.changed(changes), entry.item.cell.operators[1:]) for key in changes)
    ]


def proposed(settings: Finalists, proxy: TaskProxy, task: Task, rounds: Sequence[Round]) -> tuple[ProposedSlot, ...]:
    """Return the finalists as candidates of a proposal."""
    fidelity = None
    if settings.recipe == "final":
        fidelity = Fidelity(recipe="final", epochs=settings.epochs)
    elif settings.epochs is not None:
        fidelity = Fidelity(epochs=settings.epochs)
    return tuple(
        ProposedSlot(
            slot=slot,
            cell=entry.item.cell,
            canonical=entry.item.cell.canonical(),
            key=entry.item.key,
            origin=f"round {entry.round}: {entry.item.origin}",
            removed=(),
            fidelity=fidelity,
            network=entry.network,
        )
        for slot, entry in enumerate(chosen(settings, proxy, task, rounds))
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
    spec = spec_of(task)
    found = chosen(settings, proxy, task, rounds)
    metric = spec.metric.name
    repeats = range(1, settings.repeats + 1)
    entries, means, items = [], [], []
    for slot, entry in enumerate(found):
        evaluations = [_evaluation(by_repeat, repeat, slot, entry) for repeat in repeats]
        item = _as_evaluated(spec, proxy, entry, evaluations[0])
        items.append(item)
        # a cost that was measured and not counted is the cell's, and the round has it
        scores = [
            score(task, section.objective, proxy, item.cell, one.metrics, {**entry.item.costs, **one.costs})
            for one in evaluations
        ]
        if entry.network and item.fitted is not None and item.fitted.margin < 0:
            scores = [None] * len(scores)
        finite = [value for value in scores if value is not None]
        means.append(_means([one.metrics for one in evaluations]))
        entries.append(
            Finalist(
                round=entry.round,
                slot=item.slot,
                key=item.key,
                network=entry.network,
                first_score=item.score or 0.0,
                scores=tuple(scores),
                qualities=tuple(one.metrics.get(metric) for one in evaluations),
                mean=statistics.fmean(finite) if finite else None,
                standard_error=None,
                macs=item.costs["macs"] if item.fitted is None else item.fitted.costs["macs"],
            )
        )
    deviation = pooled([entry.scores for entry in entries])
    entries = [entry.model_copy(update={"standard_error": _error(entry, deviation)}) for entry in entries]
    taken = _answer(settings, entries, items)
    if taken is None:
        return None
    answer = entries[taken]
    assert answer.mean is not None
    finals = Finals(
        rule=settings.rule,
        seeds=tuple(seed_of(root, repeat) for repeat in repeats),
        epochs=settings.epochs,
        recipe="final" if settings.recipe == "final" else None,
        score_deviation=deviation,
        quality_deviation=pooled([entry.qualities for entry in entries]),
        candidates=tuple(entries),
    )
    return Verdict(answer.round, items[taken], answer.mean, means[taken], finals)


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


def _as_evaluated(spec: AnyTask, proxy: TaskProxy, entry: Chosen, evaluation: Evaluation) -> ScoredSlot:
    """Return the round's candidate, with the costs of the network that it was evaluated in as a finalist."""
    network: Any = evaluation.identity.proxy.get("network", {})
    own = proxy.model_copy(update={"network": proxy.network.changed(network)})
    costs = {**evaluation.costs, **spec.further_costs(own, entry.item.cell)}
    return entry.item.model_copy(update={"costs": costs, "fitted": evaluation.fitted})


def _evaluation(by_repeat: Mapping[int, Mapping[int, Evaluation]], repeat: int, slot: int, entry: Chosen) -> Evaluation:
    found = by_repeat.get(repeat, {}).get(slot)
    if found is None:
        raise ArtifactError(f"finalist {slot} has no evaluation of repeat {repeat}; run the finalists' jobs again")
    network = {} if found.fitted is None else found.fitted.changes
    if found.identity.cell != entry.item.key or network != entry.network:
        raise ArtifactError(
            f"finalist {slot}: its evaluation of repeat {repeat} is of another cell or network; remove the finalists' "
            "files and run again"
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

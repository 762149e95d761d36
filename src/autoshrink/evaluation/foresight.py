"""Foresee how long a run takes, before it begins: from earlier runs' evaluations, or from steps taken here."""

import time
from dataclasses import dataclass
from pathlib import Path

from autoshrink.cells.cell import Cell
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.runtime import devices, numerics, seeds
from autoshrink.search import finalists, registry, rounds
from autoshrink.tasks import address, sufficiency
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow import estimate, futures
from autoshrink.workflow.estimate import OWN, Pace, Span, Trained
from autoshrink.workflow.futures import Coming

# steps are taken for this long, the first one apart
_SECONDS = 3.0
# how unsure is what follows from a few steps of the proxy, as a share
_DOUBT = 0.5


@dataclass(frozen=True)
class Foreseen:
    """How long a task's searches and each of its final trainings take, one job at a time, and what says so."""

    search: Span
    training: Span
    trainings: int
    source: str

    def words(self) -> str:
        """Return it in a line."""
        final = "the final training" if self.trainings == 1 else f"each of {self.trainings} final trainings"
        return (
            f"{self.search.words()} of searching, then {self.training.words()} for {final}, "
            f"one job at a time (by {self.source})"
        )


def foresee(parameters: Parameters, task: Task) -> Foreseen | None:
    """Return how long a task's part of a run takes, whatever of it is there already; None where its data is not
    prepared.

    Without evaluations of this recipe in the store, takes steps with the complete cell for a few seconds.
    """
    spec = spec_of(task)
    proxy = spec.proxy(parameters)
    folder = address.folder(parameters, proxy.dataset)
    if not (folder / address.MANIFEST).exists():
        return None
    names, section = rounds.searches(parameters, task), rounds.section_of(parameters, task)
    options, stages = parameters.search.strategies[section.strategy], spec.stages(parameters)
    searched = registry.family(section, section.operators, options, stages)
    complete = searched.drawn(names[0].draws(parameters.seed)).whole()
    trained = estimate.stored(Path(parameters.paths.store), task, proxy)
    source, doubt = "what earlier runs took", 0.0
    if len(trained) < OWN:
        trained = [Trained(len(complete.edges), _timed(parameters, task, complete, folder))]
        source, doubt = "a few steps taken now", _DOUBT
    pace = Pace.of([], trained, len(complete.edges))
    assert pace is not None
    manifest = sufficiency.prepared_manifest(parameters, spec.training(parameters).dataset)
    again = Coming(len(complete.edges), finalists.share(parameters, task, manifest))
    checked = [again] * sum(len(slots) for _, slots in finalists.jobs(section.finalists, 1))
    per_job = parameters.search.candidates_per_job(section.k)
    parts = [estimate.left(futures.draw(parameters, name, []), pace, [], per_job, finalists=checked) for name in names]
    search = estimate.together([part for part in parts if part is not None])
    assert search is not None
    # generous both, and by the same factor: they count the same operations
    work = spec.workload(parameters, manifest)
    training = work.training_minutes / work.proxy_minutes * pace.of_candidate(Coming(len(complete.edges)))
    references = getattr(parameters.references, task).networks
    trainings = len(names) * (parameters.evidence.seeds * (1 + len(references)) if references else 1)
    return Foreseen(
        Span(search.low * (1 - doubt), search.likely, search.high * (1 + doubt)),
        Span(training * (1 - _DOUBT), training, training * (1 + _DOUBT)),
        trainings,
        source,
    )


def _timed(parameters: Parameters, task: Task, cell: Cell, folder: Path) -> float:
    """Return the seconds that a candidate takes, by steps of its first epoch."""
    import torch

    spec = spec_of(task)
    proxy: TaskProxy = spec.proxy(parameters)
    numerics.apply(parameters.compute.numerics)
    device = devices.pick(parameters.compute)
    devices.set_threads(1)
    drawn = Networks(parameters, task, folder).drawn
    if device.type == "cuda":
        drawn = spec.to_device(drawn, device)
    trial = spec.trial(cell, proxy, drawn, seeds.derive(parameters.seed, "foresight"), device, True)
    steps = trial.begin_epoch()

    taken, begun, now = 0, 0.0, 0.0
    while taken < len(steps) and now - begun < _SECONDS:
        trial.run(steps[taken])
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken, now = taken + 1, time.perf_counter()
        begun = begun or now  # the first step warms up
    each = (now - begun) / max(1, taken - 1)
    return max(each * len(steps) * proxy.training.epochs, 0.001)

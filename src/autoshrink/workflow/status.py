"""Status of a run from its files alone: safe while jobs run, on any machine that sees the results."""

import itertools
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autoshrink import params
from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.progress import Progress, duration
from autoshrink.records.progress import read as read_progress
from autoshrink.records.record import Json
from autoshrink.records.round import Round
from autoshrink.records.timing import StepTiming
from autoshrink.records.verdict import FOUND
from autoshrink.search import finalists, rounds
from autoshrink.tasks.spec import Metric, spec_of
from autoshrink.workflow.layout import Layout, SearchFolder, evidence_folder


@dataclass(frozen=True)
class Job:
    """One job: ``state`` is done, running, stopped, failed or queued; ``line`` is what it said last, ``silent`` that
    line's age in seconds.

    A stopped job goes on from its checkpoint when the scheduler or the user starts it again.
    """

    name: str
    state: str
    line: str = ""
    silent: float = 0.0


@dataclass(frozen=True)
class SearchStatus:
    """One search: rounds done of at most ``rounds``, the jobs of what is under way, the best so far.

    ``candidates`` of finished rounds were evaluated, of at most ``most``; of the round under way ``trained`` are done,
    of ``slots``. ``seconds_spent`` went into trainings for this search; ``seconds_left`` estimates the searching that
    is left, one job at a time; None where no evaluation has been timed yet. ``stopped`` says why the search ended, if
    it has. ``best`` is the best so far by score; ``exceeded`` names an earlier cell of better quality that it was
    preferred to, if there is one. ``answer`` says which finalist is the answer, once that is known.
    """

    task: str
    search: str
    round: int
    rounds: int
    candidates: int
    most: int
    trained: int
    slots: int
    stopped: str | None
    best: Mapping[str, float] | None
    exceeded: str | None
    answer: str | None
    seconds_spent: float
    seconds_left: float | None
    jobs: list[Job] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return the status as JSON values."""
        return asdict(self)


def read(results: Path) -> list[SearchStatus]:
    """Return the status of every search of the run, under the newest parameters it was run with.

    Raises UserError where there is no run.
    """
    snapshots = sorted((results / "params").glob("params-*.yaml"), key=lambda file: file.stat().st_mtime)
    if not snapshots:
        raise UserError(f"{results}: holds no run; give the folder that params.yaml's paths.results names")
    parameters = params.load([snapshots[-1]])
    return [
        of(results, parameters, task, name) for task in parameters.tasks for name in rounds.searches(parameters, task)
    ]


def lines(status: SearchStatus) -> Iterator[str]:
    """Yield the status in words."""
    head = f"{status.task} {status.search}: round {status.round} of at most {status.rounds}"
    if status.stopped:
        head += f", ended ({status.stopped})"
    yield f"{head}; {status.candidates} candidates evaluated, at most {status.most}"
    if status.slots and not status.stopped:
        yield f"  round {status.round + 1}: {status.trained} of {status.slots} candidates done"
    if status.answer:
        yield f"  {status.answer}"
    elif status.best:
        yield f"  best so far: {best_so_far(status)}"
    if status.seconds_left:
        yield f"  searching that is left: about {duration(status.seconds_left)}, one job at a time"
    for job in status.jobs:
        if job.state == "running":
            yield f"  running: {job.name}, silent for {duration(job.silent)}: {job.line}"
        elif job.state == "failed":
            yield f"  FAILED: {job.name}: {job.line}"
        elif job.state == "stopped":
            yield f"  stopped, goes on when it is run again: {job.name}: {job.line}"
        else:
            yield f"  {job.state}: {job.name}"


def of(results: Path, parameters: Parameters, task: Task, name: rounds.SearchName) -> SearchStatus:
    """Return the status of one search under these parameters."""
    layout = Layout.of(parameters).at(results)
    folder = layout.search(task, name)
    plan = rounds.plan(parameters, task, name.strategy)
    # only rounds that follow each other: what a longer search before this one has left does not count
    finished = [Round.read(done.state) for done in itertools.islice(folder.finished_rounds(), 1, len(plan) + 1)]
    number = len(finished)
    stopped = finished[-1].state.stopped if finished else None

    jobs, trained, size = [], 0, 0
    if number < len(plan) and not stopped:  # rounds after the search's end have nothing to do
        under_way = folder.round(number + 1)
        for index, slots in enumerate(plan[number]):
            label = f"round {number + 1}, candidates {slots.start} to {slots.stop - 1}"
            output = under_way.evaluations(index)
            names = (task, name, under_way.folder.name, f"evaluate-{index}")
            jobs.append(_job(label, output, layout, *names))
            trained += len(slots) if output.exists() else len(_candidates(layout.progress(*names)))
            size += len(slots)
    repeats = finalists.jobs(rounds.section_of(parameters, task).finalists, parameters.search.slots_per_job)
    done = [folder.finalists.evaluations(index).exists() for index, _ in enumerate(repeats)]
    if number == len(plan) or stopped:
        for index, (repeat, slots) in enumerate(repeats):
            label = f"finalists {slots.start} to {slots.stop - 1}, seed {repeat}"
            names = (task, name, "finalists", f"repeat-{index}")
            jobs.append(_job(label, folder.finalists.evaluations(index), layout, *names))
    jobs.append(_job("training", folder.model.description, layout, task, name, "train"))
    jobs.append(_job("test", folder.metrics, layout, task, name, "test"))
    jobs += _evidence(parameters, layout, task, name)

    most = sum(len(slots) for each in plan for slots in each)
    left = 0 if stopped else sum(len(slots) for each in plan[number:] for slots in each)
    left += sum(len(slots) for (_, slots), is_done in zip(repeats, done, strict=True) if not is_done)
    seconds = list(_seconds(folder))
    return SearchStatus(
        task=str(task),
        search=str(name),
        round=number,
        rounds=len(plan),
        candidates=sum(len(content.candidates) for content in finished),
        most=most,
        trained=trained,
        slots=size,
        stopped=stopped,
        best=_best(finished),
        exceeded=_exceeded(finished, spec_of(task).metric),
        answer=_answer(folder.best),
        seconds_spent=sum(seconds),
        seconds_left=statistics.median(seconds) * left if seconds else None,
        jobs=jobs,
    )


def _evidence(parameters: Parameters, layout: Layout, task: Task, name: rounds.SearchName) -> Iterator[Job]:
    """Yield the trainings for the verdict, and the verdict; none where there is nothing to compare with."""
    chosen = getattr(parameters.references, task)
    if not chosen.networks:
        return
    tuned = len(chosen.learning_rates) > 1
    trainings = [f"rate-{index}" for index in range(len(chosen.learning_rates))] if tuned else []
    trainings += [f"seed-{number}" for number in range(parameters.evidence.seeds)]
    folder = layout.search(task, name)
    for reference in (FOUND, *chosen.networks):
        network = evidence_folder(reference)
        for training in trainings:
            if reference == FOUND and training == "seed-0" and not tuned:
                continue  # the search's own model
            output = folder.evidence(network).training(training).model.description
            label = f"training {reference} for the verdict, {training}"
            yield _job(label, output, layout, task, name, "evidence", network, training)
    yield _job("verdict", folder.verdict, layout, task, name, "evidence", "verdict")


def _best(finished: Sequence[Round]) -> dict[str, float] | None:
    """Return score, metrics and edges of the best candidate that a round has kept."""
    kept = [(answer.score, answer) for content in finished if (answer := content.answer) and answer.score is not None]
    if not kept:
        return None
    score, item = max(kept, key=lambda scored: scored[0])
    metrics = {key: value for key, value in item.metrics.items() if isinstance(value, float)}
    return {"score": score, **metrics, "edges": len(item.cell.edges)}


def _exceeded(finished: Sequence[Round], metric: Metric) -> str | None:
    """Return the best metric of an earlier kept candidate, where the best by score is not the best by that."""
    kept = [(content.round, answer) for content in finished if (answer := content.answer) and answer.score is not None]
    known = [(value, number, item) for number, item in kept if (value := item.metrics.get(metric.name)) is not None]
    if not known:
        return None
    leading = max(kept, key=lambda entry: entry[1].score or 0.0)
    value, number, item = (max if metric.higher_is_better else min)(known, key=lambda entry: entry[0])
    if item is leading[1] or value == leading[1].metrics.get(metric.name):
        return None
    return f"round {number}'s cell of {len(item.cell.edges)} edges had {metric.name} {value:.4g}"


def _answer(path: Path) -> str | None:
    """Return the answer in words where finalists decided it."""
    try:
        found = Best.read(path)
    except ArtifactError:
        return None
    return None if found.finalists is None else found.words()


def _seconds(folder: SearchFolder) -> Iterator[float]:
    """Yield the device-seconds of every candidate that was trained for this search, not taken from the store."""
    for file in itertools.chain.from_iterable(
        done.written_evaluations() for done in [*folder.rounds(), folder.finalists]
    ):
        for slot in (StepTiming.beside(file).slots or {}).values():
            if not slot.reused and slot.device_seconds is not None:
                yield slot.device_seconds


def _candidates(progress: Path) -> set[int | None]:
    """Return the slots whose candidates are done."""
    return {entry.slot for entry in _events(progress) if entry.event == "candidate"}


def _events(progress: Path) -> list[Progress]:
    """Return a step's events; a damaged file, which no result depends on, is as good as none."""
    try:
        return read_progress(progress)
    except ArtifactError:
        return []


def _job(name: str, output: Path, layout: Layout, *names: object) -> Job:
    """Return the job whose log has these names."""
    if output.exists():
        return Job(name, "done")
    log, events = layout.log(*names), _events(layout.progress(*names))
    try:
        begun = log.stat().st_mtime
    except FileNotFoundError:
        begun = None
    if not events and log.with_name(f"{log.name}.mistake").exists():
        return Job(name, "failed", last_line(log), 0.0 if begun is None else _age(begun))
    if not events:
        # it has not come to its work yet, or a mistake has kept it from that
        return Job(name, "queued") if begun is None else Job(name, "running", last_line(log), _age(begun))
    last = events[-1]
    if last.event == "ended":
        return Job(name, "queued")  # what it made is gone, and is made again
    if last.event in ("failed", "stopped"):
        return Job(name, last.event, last.words(), _age(last.time))
    if events[0].host == artifacts.host() and events[0].process and not _lives(events[0].process):
        return Job(name, "failed", f"it was killed: {last_line(log)}", _age(last.time))
    return Job(name, "running", last.words(), _age(last.time))


def _age(then: float) -> float:
    return max(0.0, time.time() - then)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def last_line(log: Path) -> str:
    """Return the last line of a log, ``started`` where it has none."""
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return said[-1] if said else "started"


def best_so_far(status: SearchStatus) -> str:
    """Return the best candidate's numbers in words; where an earlier one was better but for its cost, say so."""
    assert status.best is not None
    said = numbers(status.best)
    return f"{said} (by score, which counts costs too: {status.exceeded})" if status.exceeded else said


def numbers(best: Mapping[str, float]) -> str:
    """Return the best candidate's numbers in words."""
    return ", ".join(f"{key} {value:.4g}" for key, value in best.items())

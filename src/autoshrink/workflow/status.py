"""Status of a run from its files alone: safe while jobs run, on any machine that sees the results."""

import itertools
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from autoshrink import params
from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records import submission
from autoshrink.records.best import Best
from autoshrink.records.progress import Progress, duration
from autoshrink.records.progress import read as read_progress
from autoshrink.records.proposal import Proposal, in_full
from autoshrink.records.round import Round
from autoshrink.records.timing import StepTiming
from autoshrink.records.verdict import FOUND
from autoshrink.runtime import slurm
from autoshrink.search import finalists, rounds
from autoshrink.search.rounds import SearchName
from autoshrink.tasks.spec import Metric, spec_of
from autoshrink.workflow import estimate, futures
from autoshrink.workflow.estimate import Left, Pace, Running, Span, Took, Trained
from autoshrink.workflow.futures import Coming, Future
from autoshrink.workflow.layout import Layout, evidence_folder


@dataclass(frozen=True)
class Job:
    """One job: ``state`` is done, running, stopped, failed or queued; ``line`` is what it said last, ``silent`` that
    line's age in seconds.

    A stopped job goes on from its checkpoint when the scheduler or the user starts it again. ``submitted`` is the
    scheduler's id of a job that has not ended by the files.
    """

    name: str
    state: str
    line: str = ""
    silent: float = 0.0
    submitted: str | None = None


@dataclass
class Known:
    """What was found out of a search before: the futures after so many rounds, and what earlier runs' trainings
    took."""

    futures: tuple[int, Sequence[Future]] | None = None
    earlier: Sequence[Trained] | None = None


@dataclass(frozen=True)
class SearchStatus:
    """One search: rounds done of at most ``rounds``, the jobs of what is under way, the best so far.

    ``candidates`` of finished rounds were evaluated, of at most ``most``; of the round under way ``trained`` are done,
    of ``slots``; of the finalists' evaluations, at most ``repeats``, ``repeated`` are. ``left`` estimates the searching
    that is left, None where no such training was ever timed, and ``seconds_left`` the same as a range of seconds, at as
    many jobs at once as so far. ``stopped`` says why the search ended, if it has. ``best`` is the best so far by score;
    ``exceeded`` names an earlier cell of better quality that it was preferred to, if there is one. ``answer`` says
    which finalist is the answer, once that is known.
    """

    task: str
    search: str
    round: int
    rounds: int
    candidates: int
    most: int
    trained: int
    slots: int
    repeated: int
    repeats: int
    stopped: str | None
    best: Mapping[str, float] | None
    exceeded: str | None
    answer: str | None
    left: Left | None
    jobs: list[Job] = field(default_factory=list)

    @property
    def seconds_left(self) -> Span | None:
        """How much longer the search takes by itself; None where that is not known, or nothing is left."""
        return None if self.left is None else estimate.together([self.left])

    def to_json(self) -> Json:
        """Return the status as JSON values."""
        span = self.seconds_left
        values = asdict(self) | {"seconds_left": None if span is None else asdict(span)}
        del values["left"]
        return values


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
    if status.repeats and not status.answer and (status.stopped or status.round == status.rounds):
        yield f"  {finals(status)}"
    if status.answer:
        yield f"  {status.answer}"
    elif status.best:
        yield f"  best so far: {best_so_far(status)}"
    if span := status.seconds_left:
        yield f"  searching that is left: {span.words()}"
    for job in status.jobs:
        if job.state == "running":
            yield f"  running: {job.name}, silent for {duration(job.silent)}: {job.line}"
        elif job.state == "failed":
            yield f"  FAILED: {job.name}: {job.line}"
        elif job.state == "stopped":
            yield f"  stopped, goes on when it is run again: {job.name}: {job.line}"
        else:
            yield f"  {job.state}: {job.name}" + (f": {job.line}" if job.line else "")


def finals(status: SearchStatus) -> str:
    """Return how far the finalists are, in words."""
    return f"finalists: {status.repeated} of at most {status.repeats} evaluations done"


def of(
    results: Path, parameters: Parameters, task: Task, name: rounds.SearchName, known: Known | None = None
) -> SearchStatus:
    """Return the status of one search under these parameters.

    ``known`` remembers what is dear to find out, for whoever asks again and again.
    """
    known = Known() if known is None else known
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
    repeats = rounds.finalist_jobs(parameters, task)
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
    to_repeat = sum(len(slots) for (_, slots), is_done in zip(repeats, done, strict=True) if not is_done)
    return SearchStatus(
        task=str(task),
        search=str(name),
        round=number,
        rounds=len(plan),
        candidates=sum(len(content.candidates) for content in finished),
        most=most,
        trained=trained,
        slots=size,
        repeated=sum(len(slots) for _, slots in repeats) - to_repeat,
        repeats=sum(len(slots) for _, slots in repeats),
        stopped=stopped,
        best=_best(finished),
        exceeded=_exceeded(finished, spec_of(task).metric),
        answer=_answer(folder.best),
        left=_left(parameters, name, layout, finished, to_repeat, known),
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
    return {"score": score, **metrics, "edges": len(item.cell.wires)}


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
    return f"round {number}'s cell of {len(item.cell.wires)} edges had {metric.name} {value:.4g}"


def _answer(path: Path) -> str | None:
    """Return the answer in words where finalists decided it."""
    try:
        found = Best.read(path)
    except ArtifactError:
        return None
    return None if found.finalists is None else found.words()


def _left(
    parameters: Parameters, name: SearchName, layout: Layout, finished: Sequence[Round], repeats: int, known: Known
) -> Left | None:
    """Return what the search has left; ``repeats`` are the evaluations of finalists that are still to be made."""
    folder, number = layout.search(name.task, name), len(finished)
    strategy = rounds.strategy_of(parameters, name.task, name.strategy)
    if known.futures is None or known.futures[0] != number:
        known.futures = number, futures.draw(parameters, name, finished)
    trained, took, running = [], [], []
    for content in finished:
        cells = {item.slot: item.cell for item in content.candidates if in_full(item.fidelity)}
        for job in folder.round(content.round).written_evaluations():
            trained += _trained(job, cells)
            took += _took(job)
    under_way = folder.round(number + 1)
    try:
        proposed = Proposal.read(under_way.proposal).candidates
        cells = {item.slot: item.cell for item in proposed if in_full(item.fidelity)}
    except ArtifactError:
        cells = {}
    plan = rounds.plan(parameters, name.task, name.strategy)
    for index, slots in enumerate(plan[number] if number < len(plan) else []):
        output = under_way.evaluations(index)
        names = (name.task, name, under_way.folder.name, f"evaluate-{index}")
        events = _events(layout.progress(*names))
        if output.exists():
            trained += _trained(output, cells)
            took += _took(output)
            running.append(Running(slots, frozenset(slots), None))
        else:
            done = frozenset(entry.slot for entry in events if entry.event == "candidate" and entry.slot is not None)
            # the time since it was heard counts for a job that runs, not for one that was interrupted
            is_running = _job("", output, layout, *names).state == "running"
            heard = [entry.time for entry in events if is_running and entry.event in ("started", "candidate")]
            running.append(Running(slots, done, max(heard, default=None)))
    for job in folder.finalists.written_evaluations():
        took += _took(job)
    coming = [item.edges for future in known.futures[1] for candidates in future for item in candidates]
    start = len(strategy.start(name.draws(parameters.seed)).cell.edges)
    most = max([start, *coming, *(item.edges for item in trained)])
    if known.earlier is None:
        proxy = spec_of(name.task).proxy(parameters)
        known.earlier = estimate.stored(layout.store, name.task, proxy)
    edges = statistics.median(item.edges for item in trained) if trained else most
    finals = [Coming(round(edges), finalists.share(parameters, name.task))] * repeats
    pace = Pace.of(trained, known.earlier, most)
    per_job = parameters.search.candidates_per_job(rounds.section_of(parameters, name.task).k)
    return estimate.left(known.futures[1], pace, took, per_job, running, finals)


def _trained(job: Path, cells: Mapping[int, Cell]) -> list[Trained]:
    """Return the candidates that an evaluation job trained for this search, not taken from the store."""
    return [
        Trained(len(cells[int(slot)].edges), float(timing.device_seconds))
        for slot, timing in (StepTiming.beside(job).slots or {}).items()
        if not timing.reused and timing.device_seconds is not None and int(slot) in cells
    ]


def _took(job: Path) -> list[Took]:
    found = Took.of(StepTiming.beside(job))
    return [] if found is None else [found]


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
    found, latest = _by_its_own_files(name, log, events), events[-1].time if events else _written(log)
    try:
        submitted = submission.last(log)
    except ArtifactError:
        submitted = None
    if submitted is None or (submitted.cause is not None and submitted.time < latest):
        return found
    if submitted.cause is None:
        job = found if submitted.time < latest else Job(name, "queued")
        return replace(job, submitted=submitted.job)
    state = "queued" if submitted.is_followed else "failed"
    return Job(name, state, submitted.in_words(), _age(submitted.time))


def _by_its_own_files(name: str, log: Path, events: Sequence[Progress]) -> Job:
    """Return the job by its log and its progress."""
    begun = _written(log) or None
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


def _written(log: Path) -> float:
    """Return when a log was written last; 0 where there is none."""
    try:
        return log.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def in_queue(found: Sequence[SearchStatus]) -> list[SearchStatus]:
    """Return the same with what SLURM says of jobs that have not ended by the files, where it says something."""
    ids = sorted({job.submitted for search in found for job in search.jobs if job.submitted})
    states = slurm.jobs(f"--jobs={','.join(ids)}") if ids else None
    if not states:
        return list(found)
    return [replace(search, jobs=[_in_queue(job, states.get(job.submitted or "")) for job in search.jobs])
            for search in found]  # fmt: skip


def _in_queue(job: Job, found: slurm.JobState | None) -> Job:
    if found is None or found.state in ("COMPLETED", "COMPLETING"):
        return job
    if found.state not in slurm.LIVE:
        return replace(job, state="failed", line=slurm.ended(job.submitted or "", found)[1])
    if found.state == "RUNNING":
        return replace(job, state="running", line=job.line or f"SLURM job {job.submitted}")
    reason = slurm.waits(found)
    waiting = f"waits for ever, {reason}" if reason else f"waits ({found.reason or found.state})"
    return replace(job, state="queued", line=f"SLURM job {job.submitted} {waiting}")


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

"""Where a run stands, told from its files alone: safe while jobs run, on any machine that sees the results folder."""

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autoshrink import params
from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.record import Json
from autoshrink.records.round import Round
from autoshrink.records.timing import StepTiming
from autoshrink.search import rounds

# what `autoshrink evaluate` says of a candidate that is done
_DONE = re.compile(r"slot (\d+): (?:done|re-used)")
# the last line of a log whose step ended badly: our words, Python's, or the shell's and scheduler's for a killed job
_FAILURE = re.compile(
    r"^autoshrink |^[\w.]*(Error|Exception|Interrupt)\b|\b(Killed|Aborted|CANCELLED|TIME LIMIT|oom)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Job:
    """One job: ``state`` is done, running, failed or queued; ``line`` its log's last one, ``silent`` that one's age."""

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
    it has.
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
    if status.best:
        yield f"  best so far: {numbers(status.best)}"
    if status.seconds_left:
        yield f"  searching that is left: about {duration(status.seconds_left)}, one job at a time"
    for job in status.jobs:
        if job.state == "running":
            yield f"  running: {job.name}, silent for {duration(job.silent)}: {job.line}"
        elif job.state == "failed":
            yield f"  FAILED: {job.name}: {job.line}"
        else:
            yield f"  {job.state}: {job.name}"


def of(results: Path, parameters: Parameters, task: Task, name: rounds.SearchName) -> SearchStatus:
    """Return the status of one search under these parameters."""
    folder, logs = results / task / str(name), results / "logs" / task / str(name)
    plan = rounds.plan(parameters, task, name.strategy)
    # only rounds that follow each other: what a longer search before this one has left does not count
    number = 0
    while number < len(plan) and (folder / f"round-{number + 1:02d}" / "round.json").exists():
        number += 1
    finished = [Round.read(folder / f"round-{done:02d}" / "round.json") for done in range(1, number + 1)]
    stopped = finished[-1].state.stopped if finished else None

    jobs, trained, size = [], 0, 0
    if number < len(plan):
        under_way = folder / f"round-{number + 1:02d}"
        for index, slots in enumerate(plan[number]):
            label = f"round {number + 1}, candidates {slots.start} to {slots.stop - 1}"
            output = under_way / f"evaluations-{index}.json"
            log = logs / under_way.name / f"evaluate-{index}.log"
            jobs.append(_job(label, output, log))
            trained += len(slots) if output.exists() else len(set(_DONE.findall(_text(log))))
            size += len(slots)
    jobs.append(_job("training", folder / "model/model.json", logs / "train.log"))
    jobs.append(_job("test", folder / "metrics.json", logs / "test.log"))

    most = sum(len(slots) for each in plan for slots in each)
    left = 0 if stopped else sum(len(slots) for each in plan[number:] for slots in each)
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
        seconds_spent=sum(seconds),
        seconds_left=statistics.median(seconds) * left if seconds else None,
        jobs=jobs,
    )


def _best(finished: Sequence[Round]) -> dict[str, float] | None:
    """Return score, metrics and edges of the best candidate that a round has kept."""
    kept = [(answer.score, answer) for content in finished if (answer := content.answer) and answer.score is not None]
    if not kept:
        return None
    score, item = max(kept, key=lambda scored: scored[0])
    metrics = {key: value for key, value in item.metrics.items() if isinstance(value, float)}
    return {"score": score, **metrics, "edges": len(item.cell.edges)}


def _seconds(folder: Path) -> Iterator[float]:
    """Yield the device-seconds of every candidate that was trained for this search, not taken from the store."""
    for file in folder.glob("round-*/evaluations-*.json"):
        if file.name.endswith((".timing.json", ".lineage.json")):
            continue
        for slot in (StepTiming.beside(file).slots or {}).values():
            if not slot.reused and slot.device_seconds is not None:
                yield slot.device_seconds


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _job(name: str, output: Path, log: Path) -> Job:
    if output.exists():
        return Job(name, "done")
    try:
        text, written = log.read_text(errors="replace"), log.stat().st_mtime
    except FileNotFoundError:
        return Job(name, "queued")
    said = [line for line in text.splitlines() if line.strip()]
    line = said[-1] if said else "started"
    return Job(name, "failed" if _FAILURE.search(line) else "running", line, time.time() - written)


def numbers(best: Mapping[str, float]) -> str:
    """Return the best candidate's numbers in words."""
    return ", ".join(f"{key} {value:.4g}" for key, value in best.items())


def duration(seconds: float) -> str:
    """Return a time in words, such as 90 s, 5 min or 2.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""Estimate how much longer a search takes, as a range, from the timings of what it and earlier runs have trained.

How many candidates are to come is drawn (``futures``); what one takes follows from those that were trained, by the
edges of their cells; what a job takes beside its trainings, how many jobs run at once and what passes between them are
measured on the jobs that have finished. While nothing ends, the estimate can only fall.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.progress import duration
from autoshrink.records.timing import EvaluationTiming, StepTiming
from autoshrink.workflow.futures import Coming, Future

# evaluations of the store that are looked at, the newest first
STORED = 60
# of its own trainings a search needs so many before it does without those of earlier runs
OWN = 4
# a pause between two jobs that is longer than this was an interruption
LONGEST_PAUSE = 30.0
# how unsure the pace is: at least, at most, as a share
LEAST_DOUBT, MOST_DOUBT = 0.1, 0.4
# share of a complete cell's training that does not shrink with its edges: what is tried, and what is taken unseen
_FIXED, _UNSEEN = (0.0, 0.25, 0.5, 0.75, 1.0), 0.5


@dataclass(frozen=True)
class Trained:
    """A candidate that was trained in full: edges of its cell, and device-seconds."""

    edges: int
    seconds: float


@dataclass(frozen=True)
class Took:
    """An evaluation job that has finished: when it began (seconds since 1970), what it took, and the device-seconds of
    the candidates that it trained."""

    began: float
    seconds: float
    trained: tuple[float, ...]

    @classmethod
    def of(cls, timing: StepTiming) -> "Took | None":
        """Return what a job's timing says; None where it trained nothing or does not say."""
        trained = tuple(
            slot.device_seconds
            for slot in (timing.slots or {}).values()
            if not slot.reused and slot.device_seconds is not None
        )
        if not trained or timing.started is None or timing.seconds is None:
            return None
        return cls(
            datetime.fromisoformat(timing.started).timestamp(), float(timing.seconds), tuple(map(float, trained))
        )


@dataclass(frozen=True)
class Running:
    """A job of the round under way: its slots, those that are done, and when it last said anything; None: not yet."""

    slots: range
    done: frozenset[int]
    heard: float | None


@dataclass(frozen=True)
class Pace:
    """What a training takes: ``scale`` seconds for a complete cell of ``most`` edges, of which the share ``fixed`` does
    not shrink with the edges; ``doubt`` is how far off that may be, as a share."""

    scale: float
    fixed: float
    most: int
    doubt: float

    @classmethod
    def of(cls, own: Sequence[Trained], earlier: Sequence[Trained], most: int) -> "Pace | None":
        """Return the pace of a search's own trainings, with those of earlier runs as long as it has few."""
        samples = [*own, *(earlier if len(own) < OWN else ())]
        if not samples:
            return None
        fixed = _fixed([*own, *earlier], most)
        scales = [item.seconds / _weight(item.edges, most, fixed) for item in samples]
        scale = statistics.median(scales)
        scatter = statistics.median(abs(each - scale) for each in scales) / scale if scale else 0.0
        return cls(scale, fixed, most, min(MOST_DOUBT, max(LEAST_DOUBT, scatter)))

    def of_candidate(self, item: Coming) -> float:
        """Return the seconds that a candidate is expected to take."""
        return self.scale * _weight(item.edges, self.most, self.fixed) * item.share


@dataclass(frozen=True)
class Left:
    """What a search has left: device-seconds of jobs, likely and as a range, and of these what must be done one after
    another; how many rounds that likely is; and the jobs that have finished."""

    low: float
    likely: float
    high: float
    in_series: float
    rounds: float
    took: tuple[Took, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Span:
    """A time that is left, in seconds, as a range."""

    low: float
    likely: float
    high: float

    def words(self) -> str:
        """Return it as people say it, such as 6 to 11 min."""
        low, high = duration(self.low), duration(self.high)
        if low == high:
            return f"about {high}"
        return f"{low.split()[0]} to {high}" if low.split()[1] == high.split()[1] else f"{low} to {high}"


def left(
    futures: Sequence[Future],
    pace: Pace | None,
    took: Sequence[Took],
    per_job: int,
    running: Sequence[Running] = (),
    finalists: Sequence[Coming] = (),
    now: float | None = None,
) -> Left | None:
    """Return what is left of a search; None where no training was ever timed.

    ``per_job`` is how many slots a job of a coming round takes; ``running`` are the jobs of the round under way that
    have not finished; ``finalists`` are candidates that follow the last round.
    """
    if pace is None:
        return None
    now = time.time() if now is None else now
    overhead, at_once = _jobs(took)

    def job(candidates: Sequence[Coming]) -> float:
        seconds = sum(pace.of_candidate(item) for item in candidates)
        return overhead + seconds * at_once if seconds else 0.0

    def rest(item: Running, candidates: Sequence[Coming]) -> float:
        waiting = [found for slot, found in enumerate(candidates) if slot in item.slots and slot not in item.done]
        passed = 0.0 if item.heard is None else max(0.0, now - item.heard)
        return max(0.0, job(waiting) - passed - (overhead if item.done else 0.0))

    totals = []
    for future in futures:
        each: list[list[float]] = []
        for index, candidates in enumerate(future):
            jobs = [range(first, first + per_job) for first in range(0, len(candidates), per_job)]
            if index == 0 and running:
                each.append([rest(item, candidates) for item in running])
            else:
                each.append([job(candidates[slots.start : slots.stop]) for slots in jobs])
        last = [job(finalists[first : first + per_job]) for first in range(0, len(finalists), per_job)]
        each.append(last)
        in_series = sum(max(found, default=0.0) for found in each)
        totals.append((sum(map(sum, each)), in_series, sum(any(found) for found in each)))
    if not totals:
        totals = [(0.0, 0.0, 0)]
    totals.sort()
    amounts = [total for total, _, _ in totals]
    likely, in_series, rounds = (statistics.fmean(values) for values in zip(*totals, strict=True))
    return Left(
        low=_quantile(amounts, 0.1) * (1 - pace.doubt),
        likely=likely,
        high=_quantile(amounts, 0.9) * (1 + pace.doubt),
        in_series=in_series,
        rounds=rounds,
        took=tuple(took),
    )


def together(searches: Sequence[Left]) -> Span | None:
    """Return how long searches that share a machine still take, at as many jobs at once as so far; None where nothing
    is left."""
    work = sum(item.likely for item in searches)
    if not work:
        return None
    took = sorted((job for item in searches for job in item.took), key=lambda job: job.began)
    lanes, pause = _lanes(took)
    rounds = sum(item.rounds for item in searches)
    # searches beside each other fill each other's pauses
    likely = max(work / lanes, *(item.in_series for item in searches)) + pause * rounds
    low, high = (sum(getattr(item, name) for item in searches) / work for name in ("low", "high"))
    return Span(likely * low, likely, likely * high)


def stored(store: Path, task: Task, proxy: TaskProxy) -> list[Trained]:
    """Return trainings of earlier runs by the same recipe that the store has, of its newest evaluations."""
    recipe = proxy.model_dump(mode="json", exclude={"dataset"})
    files = sorted(_files(store), reverse=True)[:STORED]
    found = []
    for _, path in files:
        try:
            evaluation = Evaluation.read(path)
        except (ArtifactError, OSError):
            continue  # the step that needs it says so
        identity, seconds = evaluation.identity, EvaluationTiming.beside(path).device_seconds
        trained = identity.zero_cost is None and identity.edge_tuning is None
        if seconds is not None and identity.task == task and identity.proxy == recipe and trained:
            found.append(Trained(edges_of(identity.cell), float(seconds)))
    return found


def edges_of(key: str) -> int:
    """Return how many edges the cell with this key has."""
    listed = [node.partition("(")[2].rstrip(")") for node in key.split(";") if node]
    return sum(len(sources.split(",")) for sources in listed if sources)


def _files(store: Path) -> Iterator[tuple[float, Path]]:
    for path in (store / "evaluations").glob("*/*.json"):
        if path.stem.isalnum():  # not what lies beside an evaluation
            try:
                yield path.stat().st_mtime, path
            except OSError:
                continue


def _jobs(took: Sequence[Took]) -> tuple[float, float]:
    """Return what a job takes beside its trainings, seconds, and the share of these that it takes by training several
    at once."""
    overheads = [max(0.0, job.seconds - sum(job.trained)) for job in took]
    shares = [min(1.0, job.seconds / sum(job.trained)) for job in took if sum(job.trained)]
    return (statistics.median(overheads) if overheads else 0.0), (statistics.median(shares) if shares else 1.0)


def _lanes(took: Sequence[Took]) -> tuple[float, float]:
    """Return how many jobs ran at once, on average while any did, and the pause after a round, seconds."""
    if not took:
        return 1.0, 0.0
    busy, pauses, end = 0.0, [], took[0].began
    for job in took:
        if job.began > end:
            pauses.append(min(LONGEST_PAUSE, job.began - end))
        busy += max(0.0, job.began + job.seconds - max(end, job.began))
        end = max(end, job.began + job.seconds)
    lanes = max(1.0, sum(job.seconds for job in took) / busy) if busy else 1.0
    return lanes, (statistics.median(pauses) if pauses else 0.0)


def _fixed(samples: Sequence[Trained], most: int) -> float:
    """Return the share of a training that does not shrink with the cell's edges, where the samples can tell."""
    edges = [item.edges for item in samples]
    if len(samples) < 2 * OWN or max(edges) - min(edges) < most / 2:
        return _UNSEEN

    def scatter(fixed: float) -> float:
        scales = [item.seconds / _weight(item.edges, most, fixed) for item in samples]
        middle = statistics.median(scales)
        return statistics.median(abs(each - middle) for each in scales) / middle if middle else 0.0

    return min(_FIXED, key=lambda fixed: (round(scatter(fixed), 3), abs(fixed - _UNSEEN)))


def _weight(edges: int, most: int, fixed: float) -> float:
    # a cell without edges trains stem and classifier still
    return max(0.05, fixed + (1 - fixed) * edges / max(1, most))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

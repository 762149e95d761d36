"""How much searching is left: ranges that hold, and that only fall while nothing ends."""

import datetime
import statistics
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.evaluation import EvaluationJob
from autoshrink.records.progress import ProgressFile
from autoshrink.records.proposal import Proposal
from autoshrink.records.round import Round
from autoshrink.records.timing import EvaluationTiming, SlotTiming, StepTiming
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow import estimate, futures, status
from autoshrink.workflow.estimate import Pace, Running, Span, Took, Trained
from autoshrink.workflow.futures import Coming
from autoshrink.workflow.layout import SearchFolder
from tests.unit.search.search_runs import by_key, fraction, parameters

STARTUP = 2.0


def seconds(cell: Cell) -> float:
    """Return what a made candidate takes: half of it whatever its edges, and a third more or less by chance."""
    return (4.0 + 0.4 * len(cell.edges)) * (0.8 + 0.4 * fraction(f"{cell.key}/seconds"))


def made(chosen: Parameters, name: SearchName, folder: SearchFolder, begun: datetime.datetime) -> list[float]:
    """Write a whole made search, job after job, and return what the jobs of each round took."""
    known: set[str] = set()
    took: list[float] = []
    rounds.start(chosen, name, folder.round(0).state)
    for number, jobs in enumerate(rounds.plan(chosen, name.task, name.strategy), start=1):
        here, before = folder.round(number), folder.round(number - 1).state
        rounds.propose(chosen, name, before, here.proposal)
        proposed = Proposal.read(here.proposal).candidates
        if not proposed:
            break
        spent = 0.0
        for index, slots in enumerate(jobs):
            items = [item for item in proposed if item.slot in slots]
            timing = {
                str(item.slot): SlotTiming(device_seconds=seconds(item.canonical), reused=item.key in known)
                for item in items
            }
            known |= {item.key for item in items}
            trained = [slot.device_seconds or 0.0 for slot in timing.values() if not slot.reused]
            found = {item.slot: by_key(item.canonical) for item in items}
            EvaluationJob.of(name.task, str(name), number, found).write(here.evaluations(index))
            whole = STARTUP + sum(trained) if trained else 0.0
            at = begun + datetime.timedelta(seconds=sum(took) + spent)
            StepTiming(started=at.isoformat(), seconds=whole, slots=timing).write_beside(here.evaluations(index))
            spent += whole
        evaluations = {item.slot: by_key(item.canonical) for item in proposed}
        rounds.select(chosen, name, before, here.proposal, evaluations, here.state)
        took.append(spent)
        if Round.read(here.state).state.stopped:
            break
    return took


def drop(folder: SearchFolder, after: int) -> None:
    """Remove the rounds after that one."""
    for done in folder.rounds():
        if int(done.folder.name.removeprefix("round-")) > after:
            for file in done.folder.iterdir():
                file.unlink()
            done.folder.rmdir()


BEGUN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TEN = {"search": {"seeds": list(range(10)), "cnn": {"nodes": 5, "k": 4, "finalists": None}}}


def test_the_estimate_after_round_2_is_within_a_factor_of_one_and_a_half(tmp_path: Path) -> None:
    """Over ten searches: in nine at least, though the plan counts up to twice the candidates that come."""
    chosen = parameters(TEN, {"paths": {"store": str(tmp_path / "store")}})
    ratios, planned = [], []
    for name in rounds.searches(chosen, Task.CNN):
        folder = SearchFolder(tmp_path / "cnn" / str(name))
        took = made(chosen, name, folder, BEGUN)
        drop(folder, after=2)
        span = status.of(tmp_path, chosen, Task.CNN, name).seconds_left
        assert span is not None and span.low < span.likely < span.high
        ratios.append(span.likely / sum(took[2:]))
        whole = sum(len(slots) for jobs in rounds.plan(chosen, Task.CNN)[2:] for slots in jobs)
        planned.append(whole * statistics.mean(took[:2]) / 4 / sum(took[2:]))
    assert sum(1 / 1.5 <= ratio <= 1.5 for ratio in ratios) >= 9, ratios
    assert statistics.median(planned) > 1.3  # what the static plan alone would have said


def test_while_a_round_is_silent_the_estimate_only_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that passes in a job is subtracted, as far as the job was to take it; a candidate's end starts it anew."""
    chosen = parameters(TEN, {"paths": {"store": str(tmp_path / "store")}})
    name = rounds.searches(chosen, Task.CNN)[0]
    folder = SearchFolder(tmp_path / "cnn" / str(name))
    made(chosen, name, folder, BEGUN)
    drop(folder, after=2)
    known = status.Known()

    def left() -> float:
        found = status.of(tmp_path, chosen, Task.CNN, name, known).seconds_left
        assert found is not None
        return found.likely

    with ProgressFile(tmp_path / "logs/cnn" / str(name) / "round-03/evaluate-0.progress.jsonl") as file:
        begun = file.write("started").time
        said = []
        for passed in (0, 5, 10, 3600):
            monkeypatch.setattr("autoshrink.workflow.estimate.time.time", lambda now=begun + passed: now)
            said.append(left())
        assert said[0] > said[1] > said[2] > said[3] > 0
        assert said[0] - said[3] < 60  # rounds that have not begun cannot be behind


def test_a_search_that_ended_has_nothing_left(tmp_path: Path) -> None:
    """Whatever the plan has for rounds that never come, and for jobs that never ran."""
    chosen = parameters(TEN, {"paths": {"store": str(tmp_path / "store")}})
    name = rounds.searches(chosen, Task.CNN)[1]
    took = made(chosen, name, SearchFolder(tmp_path / "cnn" / str(name)), BEGUN)
    found = status.of(tmp_path, chosen, Task.CNN, name)
    assert found.stopped and found.round == len(took) < found.rounds
    assert found.seconds_left is None


def test_earlier_runs_of_the_same_recipe_give_the_first_estimate(tmp_path: Path) -> None:
    """Before a search has trained anything, its estimate is from the store; another recipe's timings tell nothing."""
    chosen = parameters(TEN, {"paths": {"store": str(tmp_path / "store")}})
    name = rounds.searches(chosen, Task.CNN)[0]
    folder = SearchFolder(tmp_path / "cnn" / str(name))
    rounds.start(chosen, name, folder.round(0).state)
    assert status.of(tmp_path, chosen, Task.CNN, name).left is None
    recipe = spec_of(Task.CNN).proxy(chosen).model_dump(mode="json", exclude={"dataset"})
    cell = Round.read(folder.round(0).state).state.cell
    for number, proxy in enumerate((recipe, {**recipe, "train_per_class": 7})):
        own = by_key(cell)
        identity = own.identity.model_copy(update={"proxy": proxy})
        path = tmp_path / "store/evaluations/ab" / f"{number:064x}.json"
        own.model_copy(update={"identity": identity, "key": f"{number:064x}"}).write(path)
        EvaluationTiming(device_seconds=10.0 * (1 + 9 * number)).write_beside(path)
    assert estimate.stored(tmp_path / "store", Task.CNN, spec_of(Task.CNN).proxy(chosen)) == [
        Trained(len(cell.edges), 10.0)
    ]
    span = status.of(tmp_path, chosen, Task.CNN, name).seconds_left
    assert span is not None and 100 < span.likely < 330  # at most 33 candidates, of at most 10 s


def jobs(*times: tuple[float, float]) -> list[Took]:
    """Return jobs that began and took as given, all of it training."""
    return [Took(began, took, (took,)) for began, took in times]


@pytest.mark.parametrize(
    ("took", "factor"),
    [
        (jobs((0, 10), (10, 10)), 1.0),  # one after another
        (jobs((0, 10), (0, 10), (10, 10), (10, 10)), 0.5),  # two at once
    ],
)
def test_as_many_jobs_at_once_as_so_far(took: list[Took], factor: float) -> None:
    """Eight candidates of 10 s in two rounds take 80 s on one core and 40 s on two."""
    pace = Pace.of([Trained(6, 10.0)] * 8, [], most=6)
    found = estimate.left([((Coming(6),) * 4,) * 2], pace, took, per_job=1)
    assert found is not None
    span = estimate.together([found])
    assert span is not None and span.likely == pytest.approx(80 * factor)


def test_a_candidate_that_was_trained_before_takes_no_time() -> None:
    """A cheap look takes its share of the epochs, a known cell nothing, and a job of known cells no start either."""
    pace = Pace.of([Trained(6, 10.0)] * 8, [], most=6)
    future = ((Coming(6, 0.5), Coming(6, 0.0)), (Coming(6, 0.0),))
    found = estimate.left([future], pace, [Took(0.0, 13.0, (10.0,))], per_job=2)
    assert found is not None and found.likely == pytest.approx(5.0 + 3.0)


def test_what_is_done_of_a_job_under_way_counts_no_more() -> None:
    """Of a job of two candidates, one of them done and 4 s ago, 6 s are left."""
    pace = Pace.of([Trained(6, 10.0)] * 8, [], most=6)
    running = [Running(range(0, 2), frozenset({0}), 100.0)]
    found = estimate.left([((Coming(6), Coming(6)),)], pace, [], 2, running, now=104.0)
    assert found is not None and found.likely == pytest.approx(6.0)


def test_a_cell_of_fewer_edges_takes_less_where_that_was_seen() -> None:
    """Eight trainings over the whole range tell how much of a training does not depend on the edges."""
    pace = Pace.of([Trained(edges, 2.0 + 0.2 * edges) for edges in range(1, 11)], [], most=10)
    assert pace is not None
    assert pace.of_candidate(Coming(10)) == pytest.approx(4.0, rel=0.1)
    assert pace.of_candidate(Coming(1)) == pytest.approx(2.2, rel=0.1)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(360, 660, "6 to 11 min"), (90, 400, "90 s to 7 min"), (3, 3.2, "about 3 s"), (7300, 9000, "2.0 to 2.5 h")],
)
def test_a_range_in_words(low: float, high: float, words: str) -> None:
    """The unit is said once where it is the same."""
    assert Span(low, low, high).words() == words


@pytest.mark.parametrize("strategy", parameters().search.strategies)
def test_every_strategy_can_be_rolled_out(strategy: str) -> None:
    """No strategy asks more of made scores than they have, so none falls back on the static plan."""
    name = SearchName(Task.CNN, strategy, 0)
    for number in range(2):
        assert any(futures._future(parameters(TEN), name, [], number))


def test_keys_tell_how_many_edges_a_cell_has() -> None:
    """Without reading the cell back."""
    for operators in (["conv_1x1"], ["conv_1x1"] * 5):
        cell = Cell.complete(operators)
        assert estimate.edges_of(cell.key) == len(cell.edges)

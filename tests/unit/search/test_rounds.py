"""Rounds as files: the static plan, early ends, hard limits, ties, and files that do not belong."""

from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, UserError
from autoshrink.params.base import Task
from autoshrink.records.best import Best, Front
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.proposal import Proposal
from autoshrink.records.round import ScoredSlot
from autoshrink.search import rounds
from tests.unit.search.search_runs import BASE, PAPER, by_key, evaluation, parameters, paths, run, text_by_key

SHRINK = rounds.SearchName(Task.CNN, "shrink", 0)


def test_the_papers_plan_in_slots() -> None:
    """28 rounds, 235 evaluations in jobs of at most 4 slots for the CNN; 11 rounds and 95 for the RNN."""
    chosen = parameters(PAPER)
    for task, count, evaluations in ((Task.CNN, 28, 235), (Task.RNN, 11, 95)):
        plan = rounds.plan(chosen, task)
        assert len(plan) == count
        assert sum(len(job) for jobs in plan for job in jobs) == evaluations
        for jobs in plan:
            assert [slot for job in jobs for slot in job] == list(range(sum(map(len, jobs))))
            assert all(len(job) <= 4 for job in jobs)


def test_the_papers_search_runs_through_its_files(tmp_path: Path) -> None:
    """From 28 edges to none: every round shrinks by what fell, and the answer is the best round's cell."""
    chosen = parameters(PAPER)
    contents = run(chosen, SHRINK, tmp_path, by_key)
    assert len(contents) == 29
    cells = [content.state.cell for content in contents]
    for before, after, content in zip(cells, cells[1:], contents[1:], strict=False):
        assert sorted(set(before.edges) - set(after.edges)) == list(content.fell)
        assert set(after.edges) <= set(before.edges)
    assert contents[-1].state.stopped
    rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json")
    best = Best.read(tmp_path / "best.json")
    selected = [answer.score for content in contents[1:] if (answer := content.answer) and answer.score is not None]
    assert best.score == max(selected)
    assert best.cell.key == best.key


def test_a_language_search_runs_through_its_files(tmp_path: Path) -> None:
    """The RNN's rounds record the paper's cost beside the counted ones, and stop at 4 edges."""
    name = rounds.SearchName(Task.RNN, "shrink", 0)
    contents = run(parameters(PAPER), name, tmp_path, text_by_key)
    assert len(contents) == 12
    last = contents[-1].state.cell
    assert len(last.edges) <= 4
    hidden = parameters(PAPER).proxy.rnn.network.hidden
    for item in contents[1].candidates:
        assert item.costs["paper_flops"] == len(item.cell.edges) * hidden**2


def test_several_edges_fall_at_once_and_the_search_ends_early(tmp_path: Path) -> None:
    """Where the best candidate cuts off all nodes but a few, their edges fall too; the rounds left carry the state
    on."""
    chosen = parameters({"search": {"cnn": {"nodes": 5, "k": 10, "keep_fraction": 0.0}}})

    def smaller_is_better(cell: Cell) -> Evaluation:
        return evaluation(cell.key, accuracy=1 - len(cell.edges) / 100)

    contents = run(chosen, SHRINK, tmp_path, smaller_is_better)
    assert any(len(content.fell) > 1 for content in contents)
    stopped = [content.state.stopped for content in contents]
    first = next(number for number, reason in enumerate(stopped) if reason)
    assert first < len(contents) - 1
    for content in contents[first + 1 :]:
        assert content.state == contents[first].state
        assert (content.candidates, content.selected, content.fell) == ((), None, ())


def test_an_all_diverged_search_stops_and_has_no_best(tmp_path: Path) -> None:
    """Where every candidate diverges the search stops in round 1, and asking for the best says what to do."""
    contents = run(parameters(), SHRINK, tmp_path, lambda cell: evaluation(cell.key, accuracy=None))
    assert contents[1].state.stopped == "no candidate of round 1 has a finite score"
    with pytest.raises(UserError, match=r"cnn/shrink-0: no candidate .* diverged: lower proxy\.cnn\.training"):
        rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json")


def test_ties_go_to_fewer_leaves_then_fewer_edges_then_key(tmp_path: Path) -> None:
    """With every score equal, each round takes the candidate with the least (leaves, edges, key), and so does the
    best."""
    chosen = parameters({"search": {"cnn": {"nodes": 5, "k": 10, "keep_fraction": 0.1}}})
    contents = run(chosen, SHRINK, tmp_path, lambda cell: evaluation(cell.key, accuracy=0.5))
    orders = []
    for content in contents[1:]:
        order = [(len(cell.leaves), len(cell.edges), cell.key) for cell in (item.cell for item in content.candidates)]
        if order:
            assert content.selected is not None and order[content.selected] == min(order)
            orders.append(min(order))
    rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json")
    cell = Best.read(tmp_path / "best.json").cell
    assert (len(cell.leaves), len(cell.edges), cell.key) == min(orders)


def test_equal_inputs_give_equal_bytes_and_other_seeds_another_search(tmp_path: Path) -> None:
    """Two runs of one seed name agree byte for byte; another name and another root seed draw other candidates."""
    chosen = parameters()
    for folder in ("one", "two"):
        run(chosen, SHRINK, tmp_path / folder, by_key)
    for path in sorted((tmp_path / "one").rglob("*.json")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    run(chosen, rounds.SearchName(Task.CNN, "shrink", 1), tmp_path / "other", by_key)
    run(parameters({"seed": 3}), SHRINK, tmp_path / "third", by_key)
    origins = [
        [item.origin for item in Proposal.read(path).candidates]
        for folder in ("one", "other", "third")
        for path in sorted((tmp_path / folder).glob("round-01/proposal.json"))
    ]
    assert origins[0] != origins[1] and origins[0] != origins[2]


LIMITED = {"search": {"cnn": {"nodes": 5, "k": 4, "keep_fraction": 0.1, "objective": {"max_macs": 550_000}}}}


@pytest.mark.parametrize("strategy", ["shrink", "random", "evolution", "local", "grow", "shrink-two-edges"])
def test_no_selected_cell_exceeds_a_limit(tmp_path: Path, strategy: str) -> None:
    """The search passes through cells over the limit, but never selects one, and its answer is within it."""

    def bigger_is_better(cell: Cell) -> Evaluation:
        return evaluation(cell.key, accuracy=len(cell.edges) / 10, macs=1e5 * (1 + len(cell.edges)))

    for seed in range(4):
        name = rounds.SearchName(Task.CNN, strategy, seed)
        contents = run(parameters(LIMITED), name, tmp_path / str(seed), bigger_is_better)
        for content in contents:
            if content.answer is not None:
                assert content.answer.costs["macs"] <= 550_000
                assert content.answer.violation == 0
        rounds.best(name, paths(tmp_path / str(seed)), tmp_path / "best.json")
        assert Best.read(tmp_path / "best.json").costs["macs"] <= 550_000
    if strategy == "shrink":
        assert contents[1].taken is not None and contents[1].selected is None


def test_a_limit_that_nothing_meets_is_said_at_the_end(tmp_path: Path) -> None:
    """Where no candidate was within the limits, the error names them and what to do."""
    chosen = parameters({"search": {"cnn": {"objective": {"max_macs": 5}}}})
    run(chosen, SHRINK, tmp_path, by_key)
    with pytest.raises(UserError, match=r"within the limits; raise search\.cnn\.objective"):
        rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json")


def test_the_front_holds_what_nothing_dominates(tmp_path: Path) -> None:
    """Every trained candidate is on the front, or one on it is as good in everything; none on it beats another."""
    contents = run(parameters(), SHRINK, tmp_path, by_key)
    rounds.write_front(SHRINK, paths(tmp_path), tmp_path / "front.json")
    front = Front.read(tmp_path / "front.json")
    assert front.metric == "accuracy"

    def point(item: ScoredSlot) -> tuple[float, float]:
        accuracy = item.metrics["accuracy"]
        assert accuracy is not None
        return -accuracy, item.costs["macs"]

    kept = [point(item) for item in front.candidates]
    everyone = [point(item) for content in contents for item in content.candidates]
    assert all(any(a <= c and b <= d for a, b in kept) for c, d in everyone)
    assert not any(a <= c and b <= d for a, b in kept for c, d in kept if (a, b) != (c, d))


def _first_round(folder: Path, name: rounds.SearchName = SHRINK) -> tuple[Path, Path, dict[int, Evaluation]]:
    """Write a search's start and first proposal, and return both with made evaluations."""
    start, proposal = folder / "start.json", folder / "proposal.json"
    rounds.start(parameters(), name, start)
    rounds.propose(parameters(), name, start, proposal)
    items = Proposal.read(proposal).candidates
    return start, proposal, {item.slot: by_key(item.cell) for item in items}


def test_files_of_another_search_are_refused(tmp_path: Path) -> None:
    """A round or a proposal of another search, and one of another round, is refused by name."""
    start, proposal, evaluations = _first_round(tmp_path / "a")
    other_start, other_proposal, _ = _first_round(tmp_path / "b", rounds.SearchName(Task.CNN, "shrink", 1))
    out = tmp_path / "out.json"
    with pytest.raises(ArtifactError, match=r"belongs to the search cnn/shrink-1, not cnn/shrink-0"):
        rounds.propose(parameters(), SHRINK, other_start, out)
    with pytest.raises(ArtifactError, match=r"proposal\.json: belongs to the search cnn/shrink-1, not cnn/shrink-0"):
        rounds.select(parameters(), SHRINK, start, other_proposal, evaluations, out)
    rounds.select(parameters(), SHRINK, start, proposal, evaluations, out)
    with pytest.raises(ArtifactError, match=r"proposes round 1, but .*out\.json is round 1"):
        rounds.select(parameters(), SHRINK, out, proposal, evaluations, tmp_path / "again.json")
    with pytest.raises(ArtifactError, match="expected a file of kind 'round', found 'proposal'"):
        rounds.propose(parameters(), SHRINK, proposal, out)
    with pytest.raises(ArtifactError, match="belongs to the search cnn/shrink-0, not cnn/shrink-1"):
        rounds.best(rounds.SearchName(Task.CNN, "shrink", 1), [out], tmp_path / "best.json")


def test_missing_and_foreign_evaluations_are_refused(tmp_path: Path) -> None:
    """Every slot needs the evaluation of its own cell."""
    start, proposal, evaluations = _first_round(tmp_path)
    missing = {slot: item for slot, item in evaluations.items() if slot != 1}
    with pytest.raises(ArtifactError, match="slot 1 has no evaluation"):
        rounds.select(parameters(), SHRINK, start, proposal, missing, tmp_path / "out.json")
    foreign = {**evaluations, 1: evaluation("relu(0)", accuracy=0.5)}
    with pytest.raises(ArtifactError, match="the evaluation of slot 1 is of another cell"):
        rounds.select(parameters(), SHRINK, start, proposal, foreign, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_no_round_follows_the_last(tmp_path: Path) -> None:
    """Proposing beyond the plan is an error that says how many rounds there are."""
    chosen = parameters()
    contents = run(chosen, SHRINK, tmp_path, by_key)
    with pytest.raises(UserError, match=f"is the last round of cnn/shrink-0, which has {len(contents) - 1}"):
        rounds.propose(chosen, SHRINK, paths(tmp_path)[-1], tmp_path / "beyond.json")


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("cnn", "shrink", "expected STRATEGY-SEED"),
        ("cnn", "-1", "expected STRATEGY-SEED"),
        ("cnn", "shrink-one", "expected STRATEGY-SEED"),
        ("cnn", "shrink-²", "expected STRATEGY-SEED"),
        ("gnn", "shrink-0", "task 'gnn': accepted: cnn, rnn"),
    ],
)
def test_search_names_are_read_or_refused(task: str, name: str, message: str) -> None:
    """STRATEGY-SEED, the strategy's own dashes included; anything else is an error."""
    assert rounds.SearchName.parse("rnn", "shrink-two-edges-12") == rounds.SearchName(Task.RNN, "shrink-two-edges", 12)
    with pytest.raises(UserError, match=message):
        rounds.SearchName.parse(task, name)


def test_the_searches_that_parameters_ask_for() -> None:
    """One per seed with the task's strategy; the study's are every strategy with every seed."""
    chosen = parameters({"search": {"seeds": [3, 1], "cnn": {"strategy": "local"}}, "study": {"seeds": [0, 1]}})
    assert [str(name) for name in rounds.searches(chosen, Task.CNN)] == ["local-3", "local-1"]
    assert [str(name) for name in rounds.study_searches(chosen, Task.CNN)] == [
        f"{strategy}-{seed}" for strategy in ("shrink", "random", "evolution") for seed in (0, 1)
    ]
    assert rounds.plan(chosen, Task.CNN) == rounds.plan(chosen, Task.CNN, "local")
    with pytest.raises(UserError, match=r"search 'nothing': is not an entry of search\.strategies"):
        rounds.plan(chosen, Task.CNN, "nothing")


def test_base_stays_minimal() -> None:
    """The tests' smallest parameters name data sets and nothing else, so that defaults are what is tested."""
    assert set(BASE) == {"datasets"}

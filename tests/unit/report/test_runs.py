import shutil
from pathlib import Path

import pytest

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.report import runs
from autoshrink.report.runs import Search
from autoshrink.search.rounds import SearchName
from autoshrink.workflow.layout import SearchFolder


@pytest.fixture
def damaged(small_run: Path, tmp_path: Path) -> Path:
    """A copy of one search's folder, to be damaged."""
    return Path(shutil.copytree(small_run / "cnn" / "shrink-0", tmp_path / "shrink-0"))


NAME = SearchName(Task.CNN, "shrink", 0)


def test_reads_every_search_of_a_run(small_searches: list[Search]) -> None:
    """Both tasks and both seeds are there, with rounds, finalists and the answer, which has the best mean of those."""
    assert [f"{search.task}/{search.name}" for search in small_searches] == [
        "cnn/shrink-0",
        "cnn/shrink-1",
        "rnn/shrink-0",
        "rnn/shrink-1",
    ]
    for search in small_searches:
        assert len(search.start.edges) == 6
        assert search.finals is not None
        means = {(item.round, item.slot): item.mean for item in search.finals.candidates}
        assert means[search.best_round, search.best_slot] == max(value for value in means.values() if value is not None)
        assert search.deviation == (search.finals.score_deviation, search.finals.quality_deviation) != (None, None)


def test_rounds_that_only_carry_the_state_on_are_left_out(small_searches: list[Search]) -> None:
    """After a search has stopped nothing is shown, though the static plan has further rounds."""
    for search in small_searches:
        assert all(item.candidates for item in search.rounds[1:])
        assert search.rounds[-1].stopped


def test_cost_counts_each_evaluation_once(small_searches: list[Search]) -> None:
    """An evaluation that several rounds asked for was paid for once."""
    search = small_searches[0]
    distinct = {candidate.evaluation.key for candidate in search.candidates} | set(search.repeats)
    assert len(search.repeats) == 6
    assert search.device_hours == pytest.approx(2.5 * len(distinct) / 3600)


def test_cost_is_unknown_where_a_timing_is_missing(damaged: Path) -> None:
    """A missing timing makes the search's cost unknown instead of too small."""
    artifacts.timing_path(damaged / "round-01" / "evaluations-0.json").unlink()
    assert runs.read_search(SearchFolder(damaged), NAME).device_hours is None


def test_a_truncated_round_is_named(damaged: Path) -> None:
    """A damaged round ends reading with one line that names the file."""
    path = damaged / "round-01" / "round.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=r"round-01/round\.json"):
        runs.read_search(SearchFolder(damaged), NAME)


def test_a_round_whose_evaluations_are_gone_is_named(damaged: Path) -> None:
    """Scores without the evaluations they come from are not shown."""
    (damaged / "round-01" / "evaluations-0.json").unlink()
    with pytest.raises(ArtifactError, match="slot 0 was scored by an evaluation"):
        runs.read_search(SearchFolder(damaged), NAME)


def test_another_search_is_refused(damaged: Path) -> None:
    """Files of one search are not shown as another's."""
    with pytest.raises(ArtifactError, match="belongs to the search cnn/shrink-0, not cnn/shrink-7"):
        runs.read_search(SearchFolder(damaged), SearchName(Task.CNN, "shrink", 7))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    """Comparing with a folder that holds no finished search is an error that says so."""
    with pytest.raises(ArtifactError, match="holds no finished search"):
        runs.read_all(tmp_path)


def test_files_set_aside_are_found(tmp_path: Path) -> None:
    """Damaged and foreign files are listed wherever they lie."""
    for name in ("a/x.json.damaged-1", "b/c/y.json.foreign-2", "b/z.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = runs.set_aside([tmp_path / "a", tmp_path / "b"])
    assert [Path(name).name for name in found] == ["x.json.damaged-1", "y.json.foreign-2"]

"""The layout gives rules their patterns and everybody else the files."""

import re
from pathlib import Path

from autoshrink.params import load
from autoshrink.params.document import defaults
from autoshrink.tasks import address
from autoshrink.workflow.layout import Layout, SearchFolder

LAYOUT = Layout(Path("results"), Path("data"), Path("store"))


def test_patterns_and_files_agree() -> None:
    """A pattern with its wildcards filled in is the file."""
    pattern = LAYOUT.search("{task}", "{search}").round("{round}").evaluations("{job}")
    filled = str(pattern).format(task="cnn", search="shrink-0", round="03", job="1")
    assert Path(filled) == LAYOUT.search("cnn", "shrink-0").round(3).evaluations(1)
    assert filled == "results/cnn/shrink-0/round-03/evaluations-1.json"
    assert LAYOUT.search("cnn", "shrink-0").round(123).state.parent.name == "round-123"


def test_folders_follow_the_parameters() -> None:
    """Results, data and store lie where ``paths`` says."""
    assert Layout.of(defaults()) == LAYOUT


def test_prepared_data_is_addressed_by_what_it_is_made_from() -> None:
    """Another seed or entry means another folder; what does not make the data means the same."""
    base = load([], [])
    found = address.folder(base, "digits")
    assert re.fullmatch("data/digits-[0-9a-f]{12}", str(found))
    assert LAYOUT.manifest("digits", address.of(base, "digits")) == address.manifest(base, "digits")
    for setting in ("seed=7", "datasets.digits.test_per_class=10"):
        assert address.folder(load([], [setting]), "digits") != found
    for setting in ("search.cnn.k=3", "datasets.sotu.vocabulary_size=300", "compute.threads=3"):
        assert address.folder(load([], [setting]), "digits") == found
    assert address.folder(load([], ["paths.data=elsewhere"]), "digits").name == found.name


def test_logs_and_benchmarks_have_one_name() -> None:
    """A step's log, its progress and its benchmark are found by the same words."""
    assert LAYOUT.progress("cnn", "train").name == "train.progress.jsonl"
    assert LAYOUT.log("cnn", "shrink-0", "train") == Path("results/logs/cnn/shrink-0/train.log")


def test_rounds_are_read_as_far_as_they_follow_each_other(tmp_path: Path) -> None:
    """What an earlier, longer search has left behind a gap does not count."""
    search = SearchFolder(tmp_path)
    for number in (0, 1, 3):
        search.round(number).folder.mkdir()
        search.round(number).state.touch()
    assert [found.folder.name for found in search.finished_rounds()] == ["round-00", "round-01"]


def test_evaluations_come_in_the_order_of_their_jobs(tmp_path: Path) -> None:
    """Job 10 follows job 9, and what stands beside the artifacts is none."""
    found = SearchFolder(tmp_path).round(1)
    found.folder.mkdir()
    for name in ("10.json", "9.json", "9.timing.json", "9.lineage.json", "2.json.damaged-1"):
        (found.folder / f"evaluations-{name}").touch()
    assert found.written_evaluations() == [found.evaluations(9), found.evaluations(10)]

"""The store of evaluations: what its key depends on, and what it does with damaged files."""

import logging
from pathlib import Path

import pytest

from autoshrink.errors import ArtifactError
from autoshrink.evaluation.store import Identity, Store
from autoshrink.lineage.records import Code, Facts
from autoshrink.params.base import Task
from autoshrink.params.root import PaperDefects
from autoshrink.params.vision import ImageProxy, ImageProxyTraining, ImageTraining
from autoshrink.records.evaluation import TrialResult

RESULT = TrialResult(metrics={"accuracy": 0.5}, history=(), stopped=None, costs={"macs": 10, "parameters": 5})


def identity(**changes: object) -> Identity:
    values = {
        "task": Task.CNN,
        "cell": "conv_1x1(0)",
        "proxy": ImageProxy(),
        "data": "d" * 64,
        "seed": 1,
        "defects": PaperDefects(),
    }
    return Identity(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "conv_1x1(0);conv_1x1(0)"},
        {"proxy": ImageProxy(training=ImageProxyTraining(epochs=99))},
        {"data": "e" * 64},
        {"seed": 2},
        {"defects": PaperDefects(validation_from_test_split=True)},
    ],
)
def test_key_changes_with_all_that_matters(changes: dict[str, object]) -> None:
    """Whatever changes an evaluation's numbers changes its key."""
    assert identity(**changes).key != identity().key


def test_key_ignores_the_data_sets_name() -> None:
    """The same data under another name is the same evaluation: its digest says what it is."""
    assert identity(proxy=ImageProxy(dataset="renamed")).key == identity().key


@pytest.mark.parametrize("setting", [{"keep_checkpoints": 9}, {"checkpoint_steps": 9}, {"loader_workers": 9}])
def test_key_ignores_what_changes_no_result(setting: dict[str, int]) -> None:
    """How the final recipe keeps checkpoints and reads images is no part of what it comes to."""
    assert identity(proxy=ImageTraining().changed(setting)).key == identity(proxy=ImageTraining()).key
    assert identity(proxy=ImageTraining().changed({"epochs": 9})).key != identity(proxy=ImageTraining()).key


def test_candidates_seed_depends_on_its_cell_alone() -> None:
    """Changing the recipe keeps a candidate's draws; another cell has others."""
    longer = identity(proxy=ImageProxy(training=ImageProxyTraining(epochs=99)))
    assert longer.candidate_seed == identity().candidate_seed
    assert identity(cell="conv_1x1(0);conv_1x1(1)").candidate_seed != identity().candidate_seed


def test_what_is_put_is_got(tmp_path: Path) -> None:
    """An evaluation comes back as it was kept, also through another store object on the same folder."""
    kept = Store(tmp_path).put(identity(), RESULT)
    assert Store(tmp_path).get(identity()) == kept
    assert kept.metrics == RESULT.metrics
    assert Store(tmp_path).get(identity(seed=2)) is None


@pytest.mark.parametrize("damage", [lambda raw: raw[:-20], lambda raw: b"", lambda raw: raw.replace(b"0.5", b"0.6")])
def test_damaged_evaluation_is_set_aside_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage) -> None:  # type: ignore[no-untyped-def]
    """A truncated, emptied or altered file is moved out of the way, named in the log, and its place is free again."""
    store = Store(tmp_path, lambda: Facts(verb="evaluate", code=Code(), environment={}))
    store.put(identity(), RESULT)
    path = store.path(identity().key)
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert store.get(identity()) is None
    assert str(path) in caplog.text
    assert path.with_name(f"{path.name}.damaged-1").exists()
    store.put(identity(), RESULT)
    assert store.get(identity()) is not None


def test_a_file_that_nobody_recorded_is_left_alone(tmp_path: Path) -> None:
    """What stands in an evaluation's place and is not known to be AutoShrink's is named, and not moved."""
    store = Store(tmp_path)
    path = store.path(identity().key)
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(ArtifactError, match="no record says that AutoShrink wrote it"):
        store.get(identity())
    assert path.read_text() == "mine"


def test_evaluation_of_something_else_is_not_taken(tmp_path: Path) -> None:
    """A sound file under the wrong key is not believed."""
    store = Store(tmp_path)
    other = store.put(identity(seed=2), RESULT)
    other.write(store.path(identity().key))
    assert store.get(identity()) is None

"""How long a run takes, told before it begins."""

from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.evaluation import foresight
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.timing import EvaluationTiming
from autoshrink.search import rounds
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of
from tests.unit.search.search_runs import by_key

SMALL = [
    "tasks=[cnn]",
    "proxy.cnn.dataset=digits",
    "training.cnn.dataset=digits",
    "proxy.cnn.train_per_class=8",
    "proxy.cnn.validation_per_class=8",
    "search.cnn.nodes=3",
    "search.cnn.k=2",
    "references.cnn.networks=[complete, chain]",
]


@pytest.fixture
def small(tmp_path: Path) -> Parameters:
    """Parameters of a tiny search, nothing of which is there."""
    return params.load([], [*SMALL, f"paths.data={tmp_path}/data", f"paths.store={tmp_path}/store"])


def prepare(parameters: Parameters) -> None:
    """Prepare the digits."""
    folder = address.folder(parameters, "digits")
    folder.mkdir(parents=True)
    spec_of(Task.CNN).prepare("digits", parameters.datasets["digits"], folder, folder, parameters.seed)


def test_data_that_is_not_prepared_tells_nothing(small: Parameters) -> None:
    """Nothing is guessed of data that nobody has seen."""
    assert foresight.foresee(small, Task.CNN) is None


def test_a_few_steps_tell_how_long_it_takes(small: Parameters) -> None:
    """A range for the searching and one for each of the final trainings: the found network and its references."""
    prepare(small)
    found = foresight.foresee(small, Task.CNN)
    assert found is not None and found.trainings == 3
    assert 0 < found.search.low < found.search.likely < found.search.high < 600
    assert "for each of 3 final trainings, one job at a time (by a few steps taken now)" in found.words()


def test_earlier_runs_tell_it_without_a_step(small: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four evaluations by the same recipe in the store are enough; twice the searches take twice as long."""
    prepare(small)
    monkeypatch.setattr(foresight, "_timed", lambda *_: pytest.fail("took steps"))
    recipe = spec_of(Task.CNN).proxy(small).model_dump(mode="json", exclude={"dataset"})
    name = rounds.searches(small, Task.CNN)[0]
    cell = rounds.strategy_of(small, Task.CNN, name.strategy).start(name.draws(small.seed)).cell
    for number in range(4):
        own = by_key(cell)
        identity = own.identity.model_copy(update={"proxy": recipe})
        path = Path(small.paths.store) / "evaluations/ab" / f"{number:064x}.json"
        own.model_copy(update={"identity": identity, "key": f"{number:064x}"}).write(path)
        EvaluationTiming(device_seconds=30.0).write_beside(path)
    found = foresight.foresee(small, Task.CNN)
    assert found is not None and found.source == "what earlier runs took"
    assert 60 < found.search.likely <= 30 * (5 + 6)  # at most 5 candidates and 3 finalists twice
    search = small.search.model_copy(update={"seeds": [0, 1]})
    twice = foresight.foresee(small.model_copy(update={"search": search}), Task.CNN)
    assert twice is not None and twice.search.likely == pytest.approx(2 * found.search.likely, rel=0.4)
    assert twice.trainings == 6

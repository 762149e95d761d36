"""Every record comes back as it was written, and no JSON gets past its reader as anything else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError
from autoshrink.evaluation.measured import Measurement
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.records.best import Best, Front, FrontPoint
from autoshrink.records.evaluation import EdgeGain, Evaluation, EvaluationIdentity, EvaluationJob, read_round
from autoshrink.records.history import TrainingHistory
from autoshrink.records.known_networks import CountedNetwork, KnownNetworks
from autoshrink.records.metrics import FinalMetrics, ProxyFacts
from autoshrink.records.proposal import Fidelity, Proposal, ProposedSlot
from autoshrink.records.record import SealedRecord
from autoshrink.records.round import Round, RoundState, ScoredSlot
from autoshrink.records.timing import EvaluationTiming, SlotTiming, StepTiming
from tests.unit.search.search_runs import by_key

KINDS: list[type[SealedRecord]] = [
    Best,
    Evaluation,
    EvaluationJob,
    EvaluationTiming,
    FinalMetrics,
    Front,
    KnownNetworks,
    Measurement,
    Proposal,
    Round,
    StepTiming,
    TrainingHistory,
]

whole = st.integers(-(2**63), 2**63)
numbers = whole | st.floats(allow_nan=False, allow_infinity=False)
count = st.integers(0, 50)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
costs = st.dictionaries(text, numbers, max_size=4)
metrics = st.dictionaries(text, st.none() | numbers, max_size=4)
task = st.sampled_from(list(Task))
operators = st.lists(st.sampled_from(["conv_1x1", "tanh"]), max_size=4)
cells = operators.map(Cell.complete)
edges = st.lists(st.tuples(count, count), max_size=3).map(tuple)
fidelity = st.none() | st.builds(Fidelity, epochs=st.integers(1, 9)) | st.builds(Fidelity, zero_cost=text)
epoch = st.builds(
    lambda number, others: {**others, "epoch": number},
    count,
    st.dictionaries(text, st.none() | st.booleans() | numbers, max_size=3),
)
history = st.lists(epoch, max_size=3).map(tuple)


def slots_in_order(items: list[Any]) -> tuple[Any, ...]:
    """Number the candidates 0, 1, 2, ..."""
    return tuple(item.model_copy(update={"slot": slot}) for slot, item in enumerate(items))


scored = {
    "slot": count,
    "cell": cells,
    "key": text,
    "origin": text,
    "removed": edges,
    "fidelity": fidelity,
    "evaluation": sha256,
    "metrics": metrics,
    "epochs": count,
    "early_stop": st.none() | text,
    "costs": costs,
    "violation": numbers,
}
of_search = {"task": task, "search": text}
identities = st.builds(
    EvaluationIdentity,
    evaluator=whole | text,
    task=task,
    cell=text,
    proxy=st.dictionaries(text, json_values, max_size=3),
    data=text,
    seed=whole,
    defects=st.lists(text, max_size=2).map(tuple),
    numerics=st.none() | text,
    zero_cost=st.none() | text,
)
evaluations = st.builds(
    Evaluation,
    key=sha256,
    identity=identities,
    seed=whole,
    metrics=metrics,
    history=history,
    stopped=st.none() | text,
    costs=costs,
)
slot_timings = st.builds(SlotTiming, device_seconds=st.none() | numbers, device=st.none() | text, reused=st.booleans())
networks = st.builds(
    CountedNetwork,
    task=task,
    name=text,
    source=text,
    dataset=text,
    quality=metrics,
    parameters=count,
    macs=count,
    parameters_with_batch_norm=count,
    macs_with_batch_norm=count,
)


def made_round(candidates: list[ScoredSlot], taken: int | None, **others: Any) -> Round:
    """Return a round that took one of its candidates, where ``taken`` names one."""
    slot = taken if taken is not None and taken < len(candidates) else None
    selected = slot if slot is not None and candidates[slot].score is not None else None
    return Round(candidates=slots_in_order(candidates), taken=slot, selected=selected, **others)


RECORDS: dict[type[SealedRecord], st.SearchStrategy[Any]] = {
    Best: st.builds(Best, **of_search, **scored, score=numbers, round=count),
    Evaluation: evaluations,
    EvaluationJob: st.builds(
        EvaluationJob.of, task, text, count, st.dictionaries(st.integers(0, 20), evaluations, max_size=2)
    ),
    EvaluationTiming: st.builds(EvaluationTiming, device_seconds=st.none() | numbers, device=st.none() | text),
    FinalMetrics: st.builds(
        FinalMetrics,
        **of_search,
        seed=whole,
        seed_name=text,
        dataset=text,
        round=count,
        cell=cells,
        key=text,
        proxy=st.builds(ProxyFacts, score=numbers, metrics=metrics, costs=costs),
        metrics=metrics,
        costs=costs,
        complete_costs=costs,
    ),
    Front: st.builds(
        Front,
        **of_search,
        metric=text,
        candidates=st.lists(st.builds(FrontPoint, **scored, score=numbers, round=count), max_size=2).map(tuple),
    ),
    KnownNetworks: st.builds(KnownNetworks, rows=st.lists(networks, max_size=3).map(tuple)),
    Measurement: st.builds(Measurement, identity=st.dictionaries(text, json_values, max_size=3), value=numbers),
    Proposal: st.builds(
        lambda items, **others: Proposal(candidates=slots_in_order(items), **others),
        st.lists(
            st.builds(
                ProposedSlot,
                slot=count,
                cell=cells,
                canonical=cells,
                key=text,
                origin=text,
                removed=edges,
                fidelity=fidelity,
            ),
            max_size=3,
        ),
        **of_search,
        round=count,
    ),
    Round: st.builds(
        made_round,
        st.lists(st.builds(ScoredSlot, **scored, score=st.none() | numbers), max_size=3),
        st.none() | st.integers(0, 3),
        **of_search,
        round=count,
        state=st.builds(
            RoundState, cell=cells, stopped=st.none() | text, memory=st.dictionaries(text, json_values, max_size=3)
        ),
        key=text,
        fell=edges,
    ),
    StepTiming: st.builds(
        StepTiming,
        started=st.none() | text,
        seconds=st.none() | numbers,
        slots=st.none() | st.dictionaries(count.map(str), slot_timings, max_size=2),
    ),
    TrainingHistory: st.builds(TrainingHistory, task=task, epochs=history, chosen_epoch=st.none() | count),
}
file_too = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def reads_or_raises(read: Callable[[Path], object], path: Path) -> None:
    """Read a file; all that may go wrong is an ArtifactError of one line that names it."""
    try:
        read(path)
    except ArtifactError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@file_too
@given(data=st.data())
def test_a_record_comes_back_as_it_was_written(tmp_path: Path, kind: type[SealedRecord], data: st.DataObject) -> None:
    """Equal when read, and written again the same bytes: whole numbers stay whole, what was left out stays out."""
    record = data.draw(RECORDS[kind])
    record.write(tmp_path / "file.json")
    again = kind.read(tmp_path / "file.json")
    assert again == record
    assert again.sealed() == (tmp_path / "file.json").read_bytes()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@file_too
@given(content=st.dictionaries(text, json_values, max_size=5))
def test_any_sealed_json_is_read_or_named(tmp_path: Path, kind: type[SealedRecord], content: dict[str, Any]) -> None:
    """Whatever a sealed file of the right kind holds, reading it never ends in another error than ArtifactError."""
    artifacts.write_sealed(tmp_path / "file.json", kind.KIND, kind.VERSION, content)
    reads_or_raises(kind.read, tmp_path / "file.json")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@file_too
@given(data=st.data(), other=json_values)
def test_a_record_with_one_field_replaced_is_read_or_named(
    tmp_path: Path, kind: type[SealedRecord], data: st.DataObject, other: Any
) -> None:
    """A file that is right but for one field, at any depth, is read or named in one line."""
    content = data.draw(RECORDS[kind]).to_json()
    place: Any = content
    while place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = other
        break
    artifacts.write_sealed(tmp_path / "file.json", kind.KIND, kind.VERSION, content)
    reads_or_raises(kind.read, tmp_path / "file.json")


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'{"kind": "round"}', b"\xff", b"[" * 5000, b"NaN"])
def test_what_is_no_sealed_file_is_named(tmp_path: Path, raw: bytes) -> None:
    """Files that were never sealed are named in one line."""
    path = tmp_path / "file.json"
    path.write_bytes(raw)
    with pytest.raises(ArtifactError):
        Round.read(path)
    reads_or_raises(Round.read, path)


def test_an_error_says_where_what_and_what_to_do(tmp_path: Path) -> None:
    """The line names the file, the field, what was found there and the way out."""
    content = {"task": "cnn", "epochs": [{"epoch": 0}, {"loss": 1.0}], "chosen_epoch": 0}
    artifacts.write_sealed(tmp_path / "history.json", "history", 1, content)
    with pytest.raises(ArtifactError, match=r"history\.json: is no history: epochs\.1: .*epoch.* found .*loss.*remove"):
        TrainingHistory.read(tmp_path / "history.json")
    artifacts.write_sealed(tmp_path / "history.json", "history", 1, {"task": "cnn", "epochs": []})
    with pytest.raises(ArtifactError, match=r"is no history: it lacks chosen_epoch; remove it"):
        TrainingHistory.read(tmp_path / "history.json")


def test_two_jobs_of_a_round_never_share_a_slot(tmp_path: Path) -> None:
    """The second file with a slot is named, instead of one evaluation silently taking the other's place."""
    identity = EvaluationIdentity(evaluator=1, task=Task.CNN, cell="", proxy={}, data="", seed=0, defects=())
    made = Evaluation(key="0" * 64, identity=identity, seed=0, metrics={}, history=(), stopped=None, costs={})
    paths = [tmp_path / f"evaluations-{job}.json" for job in range(2)]
    for path in paths:
        EvaluationJob.of(Task.CNN, "shrink-0", 1, {3: made}).write(path)
    with pytest.raises(ArtifactError, match=r"evaluations-1\.json: slot 3 is in another file of the round too"):
        read_round(paths)


def test_gains_are_in_the_numbers_of_the_cell_itself() -> None:
    """The store numbers nodes canonically; a cell has numbers of its own, and takes no edge that goes back in them."""
    cell = Cell((0, 2, 5, 6), ("input", "conv_3x3", "conv_1x1", "conv_3x3"), ((0, 2), (0, 5), (2, 6), (5, 6)))
    numbers = cell.canonical_numbers
    renamed = Cell.of(
        [cell.operator(node) for node, _ in sorted(numbers.items(), key=lambda item: item[1])[1:]],
        [(numbers[i], numbers[j]) for i, j in cell.edges],
    )
    assert renamed == cell.canonical()
    scored = [(0, numbers[6]), tuple(sorted((numbers[2], numbers[5])))]
    gains = tuple(EdgeGain(edge=(edge[0], edge[1]), gain=float(place)) for place, edge in enumerate(scored))
    found = by_key(cell).model_copy(update={"edges": gains}).edge_gains(cell)
    forward = {(2, 5): 1.0} if numbers[2] < numbers[5] else {}
    assert found == {(0, 6): 0.0, **forward}

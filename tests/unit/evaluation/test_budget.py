"""Candidates scaled in width to the budget of their final network."""

from pathlib import Path
from typing import Any

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError
from autoshrink.evaluation.budget import Fitting
from autoshrink.params.base import Task
from autoshrink.params.loading import load
from autoshrink.params.objective import ImageObjective
from autoshrink.search.objective import score
from autoshrink.tasks.spec import spec_of

EXAMPLES = {
    "cnn": {"channels": 3, "height": 16, "width": 16, "classes": 5},
    "rnn": {"vocabulary": 300},
}
CELLS = {
    "cnn": [
        Cell.complete(["separable_conv_3x3", "conv_1x1", "separable_conv_3x3"]),
        Cell.of(["conv_1x1"], [(0, 1)]),
        Cell.of(["conv_1x1", "separable_conv_3x3"], [(0, 1), (0, 2)]),
    ],
    "rnn": [Cell.complete(["relu", "sigmoid", "tanh"]), Cell.of(["tanh"], [(0, 1)])],
}


def fitting(task: str, budget: str, folder: Path, *settings: str) -> Fitting:
    """Return what fits a task's cells to a budget, for a made-up final data set."""
    parameters = load([], [f"search.{task}.objective.budget={budget}", *settings])
    found = Fitting(parameters, Task(task), folder, folder)
    vars(found)["example"] = EXAMPLES[task]
    return found


@pytest.mark.parametrize(
    ("task", "cost", "limit"),
    [
        ("cnn", "macs", 200_000),
        ("cnn", "parameters", 15_000),
        ("cnn", "activation_bytes", 60_000),
        ("cnn", "memory_bytes", 12_000),
        ("cnn", "arena_bytes", 16_000),
        ("cnn", "flash_bytes", 15_000),
        ("rnn", "parameters", 60_000),
        ("rnn", "macs", 60_000),
    ],
)
def test_every_cell_fills_the_budget_and_no_more(task: str, cost: str, limit: int, tmp_path: Path) -> None:
    """The final network is within the limit, the next wider one is not, and the proxy is widened alike."""
    found = fitting(task, f"{{{cost}: {limit}}}", tmp_path)
    spec = spec_of(Task(task))
    network = spec.training(found.parameters).network
    widths = list(spec.widths(network))
    for cell in CELLS[task]:
        fitted = found.fit(cell)
        final = type(network).model_validate(fitted.network)
        counted = spec.count(cell, final, EXAMPLES[task])[0]
        assert fitted.costs == {**fitted.costs, **counted}
        assert fitted.margin == pytest.approx(1 - fitted.costs[cost] / limit)
        assert 0 <= fitted.margin < 0.25
        wider = widths[widths.index(fitted.width) + 1]
        assert found.costs(cell, wider)[cost] > limit
        assert final == spec.widened(network, fitted.width)
        assert found.proxy(fitted).network == spec.widened(spec.proxy(found.parameters).network, fitted.width)


def test_the_tightest_limit_binds(tmp_path: Path) -> None:
    """Of two limits the one that is met first decides, and the other has room."""
    cell = CELLS["cnn"][0]
    alone = fitting("cnn", "{macs: 200000}", tmp_path).fit(cell)
    both = fitting("cnn", "{macs: 200000, parameters: 3000}", tmp_path).fit(cell)
    assert (alone.binding, both.binding) == ("macs", "parameters")
    assert both.width < alone.width
    assert both.costs["macs"] < 200_000


def test_a_board_is_met_with_every_limit_that_it_has(tmp_path: Path) -> None:
    """Memory, flash and MACs of the final network are within the board; a lower limit beside it binds."""
    board = "{board: mine}"
    mine = "boards.mine={arena_bytes: 16000, flash_bytes: 12000, macs: 9000000}"
    for cell in CELLS["cnn"]:
        fitted = fitting("cnn", board, tmp_path, mine).fit(cell)
        assert fitted.margin >= 0
        assert fitted.limits == {"arena_bytes": 16_000, "flash_bytes": 12_000, "macs": 9_000_000}
        assert all(fitted.costs[name] <= limit for name, limit in fitted.limits.items())
    both = fitting("cnn", "{board: mine, flash_bytes: 5000, arena_bytes: 900000}", tmp_path, mine)
    assert both.limits == {"arena_bytes": 16_000, "flash_bytes": 5000, "macs": 9_000_000}


def test_a_board_that_nothing_meets_is_one_line(tmp_path: Path) -> None:
    """Before any training: the limit, and the nearest cell with what it needs."""
    found = fitting("cnn", "{board: tiny}", tmp_path, "boards.tiny={arena_bytes: 100, about: a thermometer}")
    with pytest.raises(ParameterError, match=r"budget\.arena_bytes = 100: no cell meets it; the nearest") as caught:
        found.check()
    assert "\n" not in str(caught.value)


def test_no_two_widths_make_the_same_network() -> None:
    """Bisection never counts a network twice, and the narrowest has one group of channels everywhere."""
    spec = spec_of(Task.CNN)
    network = load([]).training.cnn.network
    seen = []
    for width in spec.widths(network)[:25]:
        counts = spec.count(CELLS["cnn"][0], spec.widened(network, width), EXAMPLES["cnn"])[0]
        seen.append(counts["parameters"])
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen)
    one = network.model_copy(update={"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0, 1.0, 1.0]})
    assert seen[0] == spec.count(CELLS["cnn"][0], one, EXAMPLES["cnn"])[0]["parameters"]


def test_latency_is_measured_once_and_kept(tmp_path: Path) -> None:
    """A second search under the same budget reads the first one's times, so that it decides alike."""
    first = fitting("rnn", "{latency_ms: 0.5}", tmp_path).fit(CELLS["rnn"][1])
    files = {path: path.read_bytes() for path in (tmp_path / "measurements").rglob("*.json")}
    assert files
    assert fitting("rnn", "{latency_ms: 0.5}", tmp_path).fit(CELLS["rnn"][1]) == first
    assert {path: path.read_bytes() for path in (tmp_path / "measurements").rglob("*.json")} == files


@pytest.mark.parametrize(
    ("task", "budget", "changes"),
    [
        ("cnn", "{macs: 300000}", {"head_filters": 3000}),
        ("rnn", "{parameters: 60000}", {"tied": False, "embedding": 20}),
    ],
)
def test_a_changed_network_costs_as_much(task: str, budget: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """Proxy and final network have the change, and the width that fills the budget with it."""
    found = fitting(task, budget, tmp_path)
    cell = CELLS[task][0]
    plain, changed = found.fit(cell), found.fit(cell, changes)
    assert changed.width != plain.width
    assert 0 <= changed.margin < 0.25
    assert changed.changes == changes
    assert {key: changed.network[key] for key in changes} == changes
    proxy = found.proxy(changed).network
    assert {key: getattr(proxy, key) for key in changes} == changes
    assert found.proxy(plain).network == spec_of(Task(task)).widened(
        spec_of(Task(task)).proxy(found.parameters).network, plain.width
    )


def test_a_network_that_no_cell_can_have_within_the_budget_is_one_line(tmp_path: Path) -> None:
    """It says which of the networks, and what the nearest cell costs in it."""
    networks = "search.cnn.finalists.networks=[{head_filters: 32}, {head_filters: 90000}]"
    found = fitting("cnn", "{macs: 300000}", tmp_path, networks)
    with pytest.raises(
        ParameterError, match=r"finalists\.networks\.1 \(head_filters 90000\): .*no cell meets it"
    ) as raised:
        found.check()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("task", "budget", "message"),
    [
        ("cnn", "{macs: 100}", r"budget\.macs = 100: no cell meets it; the nearest, conv_1x1\(0\), has 8601 in a"),
        ("rnn", "{parameters: 20}", r"budget\.parameters = 20: no cell meets it; the nearest, \w+\(0\), has \d+ in"),
        ("cnn", "{macs: 8700}", r"budget\.macs = 8700: met only by networks as narrow as can be \(the nearest"),
    ],
)
def test_a_budget_that_cannot_be_met_is_told_with_the_nearest_cell(
    task: str, budget: str, message: str, tmp_path: Path
) -> None:
    """One line names the budget, the cell that comes nearest and what it costs."""
    with pytest.raises(ParameterError, match=message) as raised:
        fitting(task, budget, tmp_path).check()
    assert "\n" not in str(raised.value)


def test_a_cell_beyond_the_budget_is_as_narrow_as_can_be(tmp_path: Path) -> None:
    """It is recorded with a negative margin, which the search counts as a violation."""
    fitted = fitting("cnn", "{macs: 8000}", tmp_path).fit(CELLS["cnn"][0])
    assert fitted.margin < 0
    assert fitted.width == spec_of(Task.CNN).widths(load([]).training.cnn.network)[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["search.cnn.objective.budget={}"], "budget: needs a limit; accepted: macs, parameters"),
        (["search.cnn.objective.budget={macs: 0}"], "greater than or equal to 1"),
        (["search.cnn.objective.budget={flops: 10}"], "this key is not known"),
        (["search.cnn.objective={budget: {macs: 9}, macs_weight: 0.1}"], "budget contradicts macs_weight = 0.1"),
        (["search.cnn.objective={budget: {macs: 9}, max_macs: 8}"], "budget contradicts max_macs = 8"),
        (["search.rnn.objective={budget: {macs: 9}, flops_weight: 1.0}"], "budget contradicts flops_weight"),
        (
            ["search.cnn.objective.budget={macs: 870000}", "training.cnn.network.node_widths={stage0.0.1: 8}"],
            "node_widths fixes widths that search.cnn.objective.budget is to find",
        ),
        (
            [
                "search.cnn.objective.budget={macs: 9}",
                "training.cnn={growth: {rounds: 1, epochs: 1, cost: macs, budget: 10}}",
            ],
            "growth.budget = 10 is more than search.cnn.objective.budget.macs = 9",
        ),
    ],
)
def test_contradictions_are_told_in_one_line(settings: list[str], message: str) -> None:
    """A budget without a limit, beside weights, limits or fixed widths, or below another budget."""
    with pytest.raises(ParameterError, match=message.replace(".", r"\.")):
        load([], settings)


def test_within_a_budget_quality_is_all_that_counts() -> None:
    """Two candidates of one accuracy have one score, whatever their costs; without a budget they do not."""
    proxy: Any = load([]).proxy.cnn
    cell = CELLS["cnn"][0]
    for objective, equal in (
        (ImageObjective.model_validate({"budget": {"macs": 10}}), True),
        (ImageObjective(), False),
    ):
        scores = {score(Task.CNN, objective, proxy, cell, {"accuracy": 0.7}, {"macs": macs}) for macs in (1e3, 1e6)}
        assert (scores == {0.7}) == equal
        assert (len(scores) == 1) == equal

"""Comparisons of strategies: traces, statistics, and the page; on made searches and from finished ones."""

import itertools
import json
import math
import re
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pytest import approx
from scipy import stats

from autoshrink.cells.cell import Cell
from autoshrink.cli import root
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.strategies import BUILT_IN
from autoshrink.params.study import Study
from autoshrink.records.study import CurvePoint, Interval
from autoshrink.search import rounds
from autoshrink.search.choices import Choices
from autoshrink.search.rounds import SearchName
from autoshrink.study import comparison, macro, page, replay, statistics, tables, traces
from autoshrink.study.entries import TableEntry
from autoshrink.study.traces import Event, Trace
from autoshrink.workflow.layout import SearchFolder
from tests.unit.search.search_runs import by_key, parameters, run
from tests.unit.study.test_tables import all_of_201

NAME = SearchName(Task.CNN, "shrink", 0)


def test_a_trace_counts_what_was_spent_and_keeps_the_best_answer() -> None:
    """Epochs add up; hints, diverged candidates and those over a limit cost, but are no answers."""
    events = [
        Event(1, 0.9, False, True),
        Event(4, None, True, True),
        Event(4, 0.8, True, False),
        Event(4, 0.3, True, True),
        Event(2, 0.2, True, True),
        Event(4, 0.5, True, True),
    ]
    trace = traces.trace(NAME, events, 0.97)
    assert trace.spent == (1, 5, 9, 13, 15, 19)
    assert trace.best == (None, None, None, 0.3, 0.3, 0.5)
    assert (trace.trained, trace.total, trace.answer, trace.quality) == (5, 19, 0.5, 0.97)
    assert [trace.at(budget) for budget in (0, 12.9, 13, 18, 19, 1000)] == [None, None, 0.3, 0.3, 0.5, 0.5]


def test_replaying_a_table_is_the_search_itself(tmp_path: Path) -> None:
    """A search through its files and one replayed in memory, on the same evaluations, leave the same trace."""
    chosen = parameters({"search": {"cnn": {"objective": {"max_macs": 700_000}}}})
    for strategy in ("shrink", "evolution", "local", "shrink-halving", "grow", "metagraph", "progressive"):
        name = SearchName(Task.CNN, strategy, 3)

        class Made:
            name, operators, coverage = "made", chosen.search.cnn.operators, ""
            space: Choices | None = None
            costs = frozenset({"macs", "parameters"})

            def look_up(self, cell, fidelity):  # type: ignore[no-untyped-def]
                made = by_key(cell)
                return TableEntry(made.metrics, made.costs, 3)

        run(chosen, name, tmp_path / "cnn" / str(name), by_key)
        count = len(rounds.plan(chosen, Task.CNN, strategy))
        assert replay.search(chosen, name, Made()) == traces.read(
            SearchFolder(tmp_path / name.task / str(name)), name, count
        )


def test_thousands_of_searches_say_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 seeds are half a minute of work that was asked for: counted as it goes, in time and memory per search.

    A bar shows it at a terminal; here 240 of these searches stand for 9,000, at most 10 ms and 20 KB each.
    """
    done: list[int] = []
    usage, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = replay.study(parameters(), "made", ["shrink", "random", "evolution"], range(80), 1, advance=done.append)
    assert sum(done) == len(found) == 240 and len(done) >= 9
    assert time.process_time() - usage < 240 * 0.010
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 30_000 + 240 * 20
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("{}")
    words = ["study", "--task", "cnn", "--table", "made", "--out", "out", "--seeds"]
    told = CliRunner().invoke(root.autoshrink, [*words, "2"])
    assert told.exit_code == 0 and not told.stderr  # a bar is for people at a terminal
    told = CliRunner().invoke(root.autoshrink, [*words, "1000000"])
    assert told.exit_code == 2 and "2<=x<=10000" in told.stderr


def test_workers_change_nothing() -> None:
    """One process or two: the same traces in the same order, whatever the table has kept."""
    chosen = parameters()
    one = replay.study(chosen, "made", ["shrink", "random"], range(60), 1)
    assert one == replay.study(chosen, "made", ["shrink", "random"], range(60), 2)
    assert [(trace.strategy, trace.seed) for trace in one[:61:60]] == [("shrink", 0), ("random", 0)]


def test_statistics_agree_with_scipy() -> None:
    """Intervals, paired tests and Holm's adjustment against their definitions."""
    first = [0.1, 0.5, 0.3, 0.9, 0.4]
    second = [0.2, 0.55, 0.5, 0.8, 0.6]
    found = statistics.interval(first, 0.95)
    low, high = stats.t.interval(0.95, 4, np.mean(first), stats.sem(first))
    assert (found.low, found.high) == (approx(low), approx(high))
    assert statistics.interval([0.3], 0.95) == Interval(mean=0.3)
    test = statistics.paired(first, second, 0.95)
    assert test.t == approx(stats.ttest_rel(second, first).pvalue)
    assert (test.wins, test.losses) == (4, 1)
    assert test.difference.mean == approx(np.mean(np.subtract(second, first)))
    same = statistics.paired(first, first, 0.95)
    assert (same.t, same.wilcoxon) == (1.0, 1.0)
    assert statistics.paired([0.0, 0.5, 1.0], [0.5, 1.0, 1.5], 0.95).t == 0.0
    assert statistics.holm([0.01, 0.04, 0.03]) == approx([0.03, 0.06, 0.06])
    assert statistics.rank_correlation([1, 2, 3], [1, 1, 1]) is None
    correlation = statistics.rank_correlation([1, 2, 3, 4], [2, 4, 6, 9])
    assert correlation is not None and correlation.spearman == approx(1.0)


def _made(strategy: str, offset: float, seeds: int = 8) -> list[Trace]:
    return [
        Trace(strategy, seed, (4, 8, 12), (None, 0.1 * seed + offset, 0.1 * seed + 2 * offset), 3, 0.5 + 0.01 * seed)
        for seed in range(seeds)
    ]


def test_a_clear_difference_is_stated_and_a_missing_one_too() -> None:
    """Pairs that always differ by the same are told apart though seeds scatter more; equal ones are not."""
    traces_of = [*_made("shrink", 0.0), *_made("random", 0.01), *_made("local", 0.0)]
    settings = Study(strategies=["shrink", "random", "local"], budgets=[0.5, 1.0])
    result = comparison.compare(traces_of, settings, Task.CNN, "made")
    assert result.full_budget == 12
    assert [test.budget for test in result.tests] == [6.0, 12.0]
    assert result.tests[0].against == (), "no search has an answer so early"
    said = comparison.statements(result)
    assert "random is better than shrink." in said[0]
    assert "no difference between local and shrink is shown." in said[1]
    assert result.correlation is not None and result.correlation.spearman > 0.8
    curve = result.strategies[1].curve
    ends = [trace.answer for trace in _made("random", 0.01) if trace.answer is not None]
    assert curve[0].epochs >= 8
    assert curve[-1] == CurvePoint(epochs=12.0, **statistics.interval(ends, 0.95).model_dump())


def test_less_perplexity_counts_as_agreement() -> None:
    """For text the sign of the correlation is turned, so that positive always means that the proxy is right."""
    result = comparison.compare([*_made("shrink", 0.0), *_made("random", 0.01)], Study(budgets=[1.0]), Task.RNN, "made")
    assert result.correlation is not None and result.correlation.spearman < -0.8


def test_a_strategy_without_any_answer_is_an_error() -> None:
    """Nothing to compare: said with the strategy's name."""
    nothing = [Trace("random", seed, (4,), (None,), 1, None) for seed in range(2)]
    with pytest.raises(UserError, match="cnn/random: no search found a cell"):
        comparison.compare([*_made("shrink", 0.0), *nothing], Study(), Task.CNN, "made")


def test_a_table_without_the_proposed_cells_says_so(tmp_path: Path) -> None:
    """The cause is the table, not the scores: said with what it holds. So is a limit that it has no cost for."""
    deep = Cell.of(["conv_1x1"] * 12, [(node, node + 1) for node in range(12)])
    (tmp_path / "deep.csv").write_text(f"cell,accuracy\n{deep.key},90\n")
    told: list[str] = []
    with pytest.raises(UserError, match=r"cnn/random: no cell .* is in the table \(the table deep\.csv: 1 of 1 rows"):
        replay.study(parameters(), str(tmp_path / "deep.csv"), ["random"], range(2), 1, told.append)
    assert told == ["the table deep.csv: 1 of 1 rows are cells, of 13 to 13 nodes"]
    limited = parameters({"search": {"cnn": {"objective": {"max_flash_bytes": 5}}}})
    with pytest.raises(UserError, match=r"max_flash_bytes: the table made has no flash_bytes .* with the column flash"):
        replay.study(limited, "made", ["random"], range(2), 1)
    with pytest.raises(UserError, match="there is no such file"):
        replay.study(limited, "no.csv", ["random"], range(2), 2)


def test_the_page_is_whole_and_needs_nothing(tmp_path: Path) -> None:
    """All files are there, made the same twice, and the page loads nothing from anywhere."""
    chosen = parameters()
    found = replay.study(chosen, "made", ["shrink", "random", "grow"], range(10), 1)
    result = comparison.compare(found, chosen.study, Task.CNN, "the table made")
    for folder in ("one", "two"):
        written = page.write(result, tmp_path / folder)
        assert sorted(path.name for path in written) == sorted(page.FILES)
    for name in page.FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    html = (tmp_path / "one" / "index.html").read_text()
    assert html.count("<svg") == 2
    assert not any(word in html for word in ("src=", 'href="http', "@import", "url(http"))
    assert artifacts.read_sealed(tmp_path / "one" / "study.json", "study", 1)["reference"] == "shrink"
    table = (tmp_path / "one" / "study.csv").read_text().splitlines()
    assert len(table) == 1 + 3 * (3 + 1)


def test_every_strategy_replays_on_the_made_table() -> None:
    """All built-in strategies, several seeds each, end with an answer; shrinking twice as fast trains fewer."""
    chosen = parameters()
    table = tables.MadeTable(chosen.search.cnn.operators)
    for strategy in BUILT_IN:
        for seed in range(3):
            trace = replay.search(chosen, SearchName(Task.CNN, strategy, seed), table)
            assert trace.answer is not None and math.isfinite(trace.answer)
            assert trace.quality is not None


@pytest.mark.slow
def test_a_thousand_seeds_of_all_strategies_take_less_than_a_minute_of_two_cores() -> None:
    """The budget is 120 seconds of processor time; it holds with room to spare."""
    chosen = parameters()
    table = tables.MadeTable(chosen.search.cnn.operators)
    start = time.process_time()
    for strategy in BUILT_IN:
        for seed in range(200):
            replay.search(chosen, SearchName(Task.CNN, strategy, seed), table)
    assert 5 * (time.process_time() - start) < 120


def test_strategies_search_nas_bench_201s_own_space(tmp_path: Path) -> None:
    """Each finds networks of the table alone, random search as many as it was given, and grow is refused."""
    rows = []
    for number, text in enumerate(all_of_201()):
        rows.append(f"{text},{50 + 40 * (text.count('nor_conv_3x3') / 6) + number % 7 / 10:.2f}")
    path = tmp_path / "nas201.csv"
    path.write_text("cell,accuracy\n" + "\n".join(rows) + "\n")
    chosen = parameters({"search": {"strategies": {"random": {"rounds": 9}}}})
    told: list[str] = []
    names = ["shrink", "shrink-two-edges", "random", "evolution", "local"]
    found = replay.study(chosen, str(path), names, range(2), 1, told.append, own=True)
    assert told == [
        "the table nas201.csv: 15,625 of the 15,625 networks of its own space, 6 places with one of 5 operators each"
    ]
    assert all(trace.missing == 0 and trace.answer is not None for trace in found)
    assert [trace.trained for trace in found if trace.strategy == "random"] == [36, 36]
    with pytest.raises(UserError, match="kind grow searches cells, not a table's own space; accepted kinds: shrink"):
        replay.study(chosen, str(path), ["grow"], range(2), 1, own=True)


def test_every_answer_is_within_limits_that_bind(tmp_path: Path) -> None:
    """Memory and flash that one network in fifty has: what is selected obeys both, whoever searches, at equal cost."""
    rows = {}
    for digits in itertools.product("012", repeat=8):
        counted = macro.costs([macro.BLOCKS[int(digit)] for digit in digits])
        accuracy = 50 + 40 * sum(map(int, digits)) / 16  # the dearest networks are the best
        rows["".join(digits)] = {"test_acc": [accuracy] * 2, "params": counted["parameters"], "flops": counted["macs"]}
    path = tmp_path / "macro.json"
    path.write_text(json.dumps(rows))
    limits = {"max_arena_bytes": 131_072, "max_flash_bytes": 750_000, "min_intensity": 30.0, "macs_weight": 0.0}
    names = ["shrink", "random", "evolution", "local", "metagraph", "progressive"]
    rounds = {name: {"rounds": 8} for name in names if name != "shrink"}
    chosen = parameters({"search": {"cnn": {"k": 10, "objective": limits}, "strategies": rounds}})
    found = replay.study(chosen, str(path), names, range(4), 1, own=True)
    answers = [trace for trace in found if trace.costs is not None]
    assert {trace.strategy for trace in answers} == set(names)
    for trace in answers:
        assert trace.costs is not None
        assert trace.costs["arena_bytes"] <= 131_072 and trace.costs["flash_bytes"] <= 750_000
        assert trace.costs["intensity"] >= 30.0
    assert all(trace.total <= 80 for trace in found), "counting costs nothing, and nobody trains more"


def test_proposals_that_a_table_lacks_are_counted(tmp_path: Path) -> None:
    """Where some are missing it is told; where nothing else could be an answer, it is the cause."""
    (tmp_path / "small.csv").write_text("cell,accuracy\nconv(0),90\nconv(0);conv(0),91\n")
    chosen = parameters({"search": {"cnn": {"nodes": 3}}})
    told: list[str] = []
    found = replay.study(chosen, str(tmp_path / "small.csv"), ["random"], range(3), 1, told.append)
    assert re.fullmatch(r"cnn/random: \d of its \d+ proposals are not in the table, and never win", told[1])
    with pytest.raises(UserError, match="within the limits; 2 of 3 proposals are not in the table"):
        nothing = [Trace("random", seed, (1, 1, 1), (None,) * 3, 1, None, missing=2 * (1 - seed)) for seed in (0, 1)]
        comparison.compare([nothing[0]], Study(), Task.CNN, "made")
    assert all(trace.missing < len(trace.spent) for trace in found)

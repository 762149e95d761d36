import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from autoshrink.params import Parameters
from autoshrink.records.history import GrowthEntry
from autoshrink.report import metrics, page, runs
from autoshrink.report.runs import Search


@pytest.fixture(scope="module")
def html(small: Parameters, small_searches: list[Search]) -> str:
    table = metrics.rows(small_searches)
    return page.render(small_searches, table, metrics.notes(small, small_searches, ["<b>x</b>.damaged-1"]))


def embedded(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    value = json.loads(found[1])
    assert isinstance(value, dict)
    return value


def test_page_asks_no_host_for_anything(html: str) -> None:
    """Nothing is linked or loaded from elsewhere, and the page's own policy forbids it."""
    ours = html.replace(page._library(), "")  # the library's code has templates of elements that it never makes here
    assert len(ours) < len(html)
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(?!data:)[^"'#]""", ours)
    assert "@import" not in ours and "url(" not in ours
    assert "://" not in ours.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert "default-src 'none'" in html


def test_page_holds_every_candidate(html: str, small_searches: list[Search]) -> None:
    """Every round and candidate is in the page's data, with its evaluation's key, digest, seed and history."""
    searches = embedded(html)["searches"]
    assert isinstance(searches, list)
    for shown, search in zip(searches, small_searches, strict=True):
        candidates = [item for item in shown["rounds"] for item in item["candidates"]]
        assert [item["evaluation"] for item in candidates] == [item.evaluation.key for item in search.candidates]
        for item, candidate in zip(candidates, search.candidates, strict=True):
            assert item["digest"] == candidate.digest
            assert item["seed"] == str(candidate.evaluation.seed)
            assert len(item["history"]["epoch"]) == len(candidate.evaluation.history)
        assert shown["best"] == [search.best_round, search.best_slot]


def test_growths_are_drawn(small: Parameters, small_searches: list[Search]) -> None:
    """Widths by node and growth, each growth's predicted beside its real gain, and how well predictions rank."""
    growths = tuple(
        GrowthEntry(
            epoch=number,
            quota=9,
            new=2,
            split=1,
            layers=int(number == 3),
            gate=0.5,
            predicted_gain=predicted,
            gain=gain,
            widths={"stage0.0.1": 4 + number, "stage0.0.2": 40 + 2 * number},
            residual_layers={"stage0.0": ("conv_1x1",)} if number == 3 else {},
            costs={"macs": 1000},
        )
        for number, (predicted, gain) in enumerate([(0.9, 0.3), (0.5, 0.2), (0.6, 0.1)], start=1)
    )
    training = small_searches[0].training
    assert training is not None and embedded_training(small_searches[0], small)["growths"] is None
    grown = replace(small_searches[0], training=training.model_copy(update={"growths": growths}))
    shown = embedded_training(grown, small)["growths"]
    assert shown["widths"][-1] == {"growth": 3, "node": "stage0.0.2", "width": 46}
    assert [row["gain"] for row in shown["gains"]] == [0.9, 0.3, 0.5, 0.2, 0.6, 0.1]
    assert shown["said"] == (
        "Added: 6 new neurons, 3 splits of a neuron, 1 residual layer. Layers after stage0.0: conv_1x1. "
        "Predicted gains rank the 3 growths as real ones do with Kendall's tau 0.33."
    )
    for chart, rows in (("widths_chart", "widths"), ("gains_chart", "gains")):
        drawn = vl_convert.vegalite_to_svg({**shown[chart], "width": 300, "datasets": {"points": shown[rows]}})
        assert (">46<" in drawn) == (rows == "widths") and ">3<" in drawn


def embedded_training(search: Search, parameters: Parameters) -> dict[str, Any]:
    """Return what the page of one search has of its final training."""
    table = metrics.rows([search])
    html = page.render([search], table, metrics.notes(parameters, [search], []))
    shown = embedded(html)["searches"]
    assert isinstance(shown, list)
    training = shown[0]["training"]
    assert isinstance(training, dict)
    return training


def test_noise_is_drawn_and_finalists_are_listed(html: str, small_searches: list[Search]) -> None:
    """Every finite score has whiskers of the measured noise, and the finalists stand in order of their means."""
    searches = embedded(html)["searches"]
    assert isinstance(searches, list)
    for shown, search in zip(searches, small_searches, strict=True):
        score, quality = search.deviation
        assert score is not None and quality is not None
        for point in shown["points"]:
            if point["score"] is None:
                assert "score_low" not in point
                continue
            assert point["score_high"] - point["score"] == pytest.approx(score)
            assert point["metric"] - point["metric_low"] == pytest.approx(quality)
        finals = shown["finals"]
        means = [row["mean"] for row in finals["rows"] if row["mean"] is not None]
        assert means == sorted(means, reverse=True) and finals["deviation"] == score
        assert [row["id"] for row in finals["rows"] if row["chosen"]] == [f"{search.best_round}.{search.best_slot}"]


def test_text_from_files_cannot_become_markup(html: str) -> None:
    """A file's name that looks like markup is shown, not run; data cannot end its script element."""
    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;.damaged-1" in html
    assert page._embedded({"a": "</script><script>"}) == '{"a":"\\u003c/script>\\u003cscript>"}'


def test_page_is_the_same_each_time(small: Parameters, small_searches: list[Search], html: str) -> None:
    """The same artifacts give the same bytes."""
    table = metrics.rows(small_searches)
    notes = metrics.notes(small, small_searches, ["<b>x</b>.damaged-1"])
    assert page.render(small_searches, table, notes) == html


def test_scripts_count_the_edges_within_stages() -> None:
    """Those between stages follow from them; ``wiresOf`` leaves them out."""
    scripts = (files("autoshrink.report") / "templates" / name for name in page.SCRIPTS)
    assert not [script.name for script in scripts if "edges.length" in script.read_text()]


def test_second_run_is_embedded(small_searches: list[Search]) -> None:
    """A page that compares holds both runs under their names."""
    found = page.data(small_searches[:1], small_searches[1:2], ("one", "two"))
    assert found.names == ("one", "two")
    assert [item.name for item in found.other] == ["shrink-1"]


def test_page_of_the_papers_size_is_small(paper: Parameters, paper_run: Path) -> None:
    """28 and 11 rounds of up to 10 candidates stay under 5 MB."""
    searches = runs.read_all(paper_run)
    html = page.render(searches, metrics.rows(searches), metrics.notes(paper, searches, []))
    assert len(html.encode()) < 5_000_000

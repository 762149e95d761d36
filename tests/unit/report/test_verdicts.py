"""The verdict is the page's first panel, and reads without a script."""

import xml.etree.ElementTree
from pathlib import Path

from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.timing import StepTiming
from autoshrink.report import page, verdicts
from autoshrink.report.runs import Search
from tests.unit.evidence.made_verdict import judged, shares

VERDICT = judged(Task.CNN, shares(1000, 900, 950, 899))


def written(results: Path) -> Path:
    """Write a verdict where a run has it, and return the results folder."""
    path = results / "cnn/shrink-0/evidence/verdict.json"
    VERDICT.write(path)
    StepTiming(latency_ms={"found": 1.5}, latency_device="a CPU, 1 thread").write_beside(path)
    return results


def test_a_panel_says_what_the_verdict_says(small: Parameters, tmp_path: Path) -> None:
    """A sentence and a row per network, latencies where they were measured, and a chart that stands alone."""
    (panel,) = verdicts.read(written(tmp_path), small)
    assert [outcome for outcome, _ in panel.sentences] == ["loses", "ties"]
    assert len(panel.rows) == 3
    assert "1.50 ms" in panel.rows[0]
    assert any("a CPU, 1 thread" in note for note in panel.notes)
    drawn = xml.etree.ElementTree.fromstring(panel.chart)
    assert drawn.tag.endswith("svg")
    assert "reference-1" in panel.chart
    assert "xlink" not in panel.chart
    assert verdicts.read(written(tmp_path), small) == [panel]


def test_the_verdict_comes_first(small: Parameters, small_searches: list[Search], tmp_path: Path) -> None:
    """Before the search is drawn and any table; a run without references has no such panel."""
    panels = verdicts.read(written(tmp_path), small)
    html = page.render(small_searches, [], [], verdicts=panels)
    sentence = "the found network loses to reference-1"
    assert html.index(sentence) < html.index('id="panel"') < html.index('class="metrics"')
    assert "verdict-title" not in page.render(small_searches, [], [])

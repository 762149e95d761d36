import csv
import io
from dataclasses import replace

import pytest

from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.known_networks import CountedNetwork
from autoshrink.report import metrics
from autoshrink.report.published import published
from autoshrink.report.runs import Search


def test_measured_and_published_rows_are_marked(small_searches: list[Search]) -> None:
    """Every row says whether it was measured here or published; measured ones bear the seed's name, others a source."""
    table = metrics.rows(small_searches)
    assert {row.origin for row in table} == {metrics.MEASURED, metrics.PUBLISHED}
    for row in table:
        assert bool(row.seed) == (row.origin == metrics.MEASURED)
        assert row.source
    seeds = [row.seed for row in table if "found cell" in row.name]
    assert seeds == ["2020/cnn/shrink-0", "2020/cnn/shrink-1", "2020/rnn/shrink-0", "2020/rnn/shrink-1"]


def test_csv_holds_every_number(small_searches: list[Search]) -> None:
    """The CSV reads back to the numbers of metrics.json; what was not measured is empty."""
    table = list(csv.DictReader(io.StringIO(metrics.to_csv(metrics.rows(small_searches)))))
    cnn, rnn = (
        next(row for row in table if row["task"] == task and "found cell" in row["name"]) for task in ("cnn", "rnn")
    )
    assert (float(cnn["accuracy_top1"]), float(cnn["accuracy_top5"])) == (0.981, 0.9993)
    assert cnn["perplexity_test"] == ""
    assert (float(rnn["perplexity_test"]), float(rnn["perplexity_unigram"])) == (98.7, 412.3)
    assert (int(cnn["parameters"]), int(cnn["macs"])) == (31_000, 2_400_000)


def test_markdown_keeps_measured_and_published_apart(small: Parameters, small_searches: list[Search]) -> None:
    """Each task has one table of what was measured and one of what was published, and the notes."""
    text = metrics.to_markdown(metrics.rows(small_searches), metrics.notes(small, small_searches, ["x.damaged-1"]))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Metrics",
        "## Image classification (CNN), measured here",
        "## Image classification (CNN), published",
        "## Language modelling (RNN), measured here",
        "## Language modelling (RNN), published",
        "## Notes",
    ]
    assert "`x.damaged-1`" in text and "98.1 %" in text and "Root seed 2020" in text


def test_names_cannot_break_the_table(small_searches: list[Search]) -> None:
    """A row whose name and data hold Markdown and HTML is one row, and what it holds is text."""
    row = replace(metrics.rows(small_searches)[0], name="a|b\n<script>alert(1)</script>", dataset="`rm`")
    text = metrics.to_markdown([row], [])
    (line,) = [line for line in text.splitlines() if "alert" in line]
    assert "<script" not in text and "a\\|b" in line and "\\`rm\\`" in line


def test_notes_name_defects_that_were_on(small: Parameters, small_searches: list[Search]) -> None:
    """Numbers got with the released code's defects say so."""
    changed = small.model_copy(
        update={"paper_defects": small.paper_defects.model_copy(update={"validation_from_test_split": True})}
    )
    assert any("`validation_from_test_split`" in note for note in metrics.notes(changed, small_searches, []))
    assert any("switched on: none" in note for note in metrics.notes(small, small_searches, []))


def test_counted_rows_stand_between(small_searches: list[Search]) -> None:
    """Networks that were counted here say so: their cost is ours, their quality others'."""
    row = CountedNetwork(
        task=Task.CNN,
        name="MobileNetV2 1.0",
        source="counted",
        parameters=3_470_760,
        macs=300_774_272,
        parameters_with_batch_norm=3_504_872,
        macs_with_batch_norm=307_484_672,
        dataset="ImageNet",
        quality={"accuracy_top1": 0.71878},
    )
    table = metrics.rows(small_searches, [row])
    found = next(item for item in table if item.origin == metrics.COUNTED)
    assert (found.name, found.macs, found.quality) == ("MobileNetV2 1.0", 300_774_272, {"accuracy_top1": 0.71878})
    origins = list(dict.fromkeys(item.origin for item in table if item.task == "cnn"))
    assert origins == [metrics.MEASURED, metrics.COUNTED, metrics.PUBLISHED]
    assert "## Image classification (CNN), counted here" in metrics.to_markdown(table, [])


def test_a_search_without_final_metrics_has_no_measured_row(small_searches: list[Search]) -> None:
    """What was not measured is not in the table."""
    table = metrics.rows([replace(small_searches[0], metrics=None)])
    assert {row.origin for row in table} == {metrics.PUBLISHED}


def test_published_rows_are_the_papers() -> None:
    """The headline rows stand as printed: 34 % fewer MACs and 48 % fewer parameters than MobileNetV2-1.4."""
    rows = {row.name: row for row in published(Task.CNN)}
    ours, theirs = rows["ShrinkCNN-B"], rows["MobileNetV2-1.4"]
    assert ours.macs is not None and theirs.macs is not None
    assert 1 - ours.macs / theirs.macs == pytest.approx(0.34, abs=0.005)
    assert 1 - ours.parameters / theirs.parameters == pytest.approx(0.48, abs=0.005)
    text = {row.name: row.quality for row in published(Task.RNN)}
    assert text["ShrinkRNN"] == {"perplexity_validation": 58.5, "perplexity_test": 56.5}
    assert text["DARTS"] == {"perplexity_validation": 58.1, "perplexity_test": 55.7}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (12, "12"), (999, "999"), (31_000, "31 K"), (3_601_000, "3.6 M"), (383.7e6, "384 M"), (2e9, "2 G")],
)
def test_quantities_are_short(value: float | None, text: str) -> None:
    """Counts are written with three significant digits and a unit."""
    assert metrics.quantity(value) == text

"""The table of a finished search's candidates."""

import csv
import re
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from autoshrink.records.best import Best
from benchmarks import paper_rnn
from tests.unit.report import made_run

ROOT = Path(__file__).resolve().parents[2]


def test_every_candidate_has_a_row_and_the_answer_is_among_them(tmp_path: Path) -> None:
    """Written anew each time, so that no row stands twice."""
    made_run.run(tmp_path / "results", made_run.parameters())
    search, out = tmp_path / "results/rnn/shrink-0", tmp_path / "table.csv"
    for _ in range(2):
        done = CliRunner().invoke(paper_rnn.main, ["rounds", str(search), "--out", str(out)], catch_exceptions=False)
        assert done.exit_code == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [(row["round"], row["slot"]) for row in rows]
    assert len(set(names)) == len(names)
    best = Best.read(search / "best.json")
    (answer,) = [row for row in rows if (row["round"], row["slot"]) == (str(best.round), str(best.slot))]
    assert answer["key"] == best.key and int(answer["edges"]) == len(best.cell.edges)


def test_the_page_has_what_the_table_shows() -> None:
    """Means and intervals of the page are those that the command prints."""
    table, page = ROOT / "benchmarks/results/paper-rnn-seeds.csv", ROOT / "docs/explanation/paper-rnn.md"
    done = CliRunner().invoke(paper_rnn.main, ["compare", str(table)], catch_exceptions=False)
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"(\d+\.\d \(\d+\.\d to \d+\.\d\))", done.output)
    assert len(spans) == 5 and all(span in text for span in spans)
    assert re.findall(r"p = (\S+)", done.output) == re.findall(r"p = (\d\.\d+)", text)


def test_the_cluster_page_counts_what_several_gpus_do() -> None:
    """Rounds follow each other, so a GPU without a candidate waits for the slowest round."""
    with (ROOT / "benchmarks/results/paper-rnn.csv").open(newline="") as file:
        counts = list(Counter(row["round"] for row in csv.DictReader(file)).values())
    page = (ROOT / "docs/how-to/cluster.md").read_text()
    assert f"rounds of {', '.join(map(str, counts[:-1]))} and {counts[-1]} candidates" in page.replace("\n", " ")
    for gpus in (1, 2, 5, 10):
        series = sum(-(-count // gpus) for count in counts)
        faster = sum(counts) / series
        assert f"| {gpus} | {series} | {faster:.1f} | {100 * faster / gpus:.0f} % |" in page

"""The page on what is found at equal cost holds what its recorded verdict says."""

from pathlib import Path

from autoshrink.evidence import wording
from autoshrink.params import load
from autoshrink.records.verdict import Verdict
from autoshrink.tasks.spec import spec_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_the_table_and_the_sentences_of_its_verdict() -> None:
    """Quality, costs and outcome of every network, and the difference to each reference with its interval."""
    page = (ROOT / "docs/explanation/equal-cost.md").read_text(encoding="utf-8")
    verdict = Verdict.read(ROOT / "benchmarks/results/cifar10-1m-verdict.json")
    _, rows = wording.table(verdict)
    for row in rows:
        assert f"| {' | '.join(row)} |" in page
    for comparison in verdict.comparisons:
        said = wording.difference(spec_of(verdict.task).metric, comparison.difference, verdict.confidence)
        assert said in page


def test_the_verdict_is_of_these_parameters() -> None:
    """Data, budget, seeds and references are those of the overlay beside it."""
    chosen = load([ROOT / "params.default.yaml", ROOT / "benchmarks/cifar10-1m.yaml"])
    verdict = Verdict.read(ROOT / "benchmarks/results/cifar10-1m-verdict.json")
    assert (verdict.dataset, verdict.seeds) == (chosen.training.cnn.dataset, chosen.evidence.seeds)
    assert [item.name for item in verdict.networks[1:]] == chosen.references.cnn.networks
    assert chosen.search.cnn.objective.budget.macs == 1_000_000
    assert verdict.found.costs["macs"] <= 1_000_000

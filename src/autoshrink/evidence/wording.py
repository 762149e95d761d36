"""A verdict in words: a sentence per reference, and a table."""

from collections.abc import Mapping

from autoshrink.records.verdict import FOUND, Comparison, Interval, Judged, Verdict
from autoshrink.tasks.spec import Metric, spec_of

COSTS = {"macs": "MACs", "parameters": "parameters", "activation_bytes": "activation memory"}
"""What a table calls each cost."""


def sentences(verdict: Verdict) -> list[str]:
    """Return a sentence per reference: beats, ties with or loses to, by how much, and at what cost."""
    return [sentence(verdict, comparison) for comparison in verdict.comparisons]


def sentence(verdict: Verdict, comparison: Comparison) -> str:
    """Return the sentence on one reference."""
    metric = spec_of(verdict.task).metric
    other = next(item for item in verdict.networks if item.name == comparison.reference)
    values = f"{value(metric, verdict.found.quality.mean)} against {value(metric, other.quality.mean)}"
    first, second = ("macs", "parameters") if verdict.cost == "macs" else ("parameters", "macs")
    ratios = comparison.cost_ratios
    costs = f"{ratios[first]:.2f} x its {COSTS[first]} and {ratios[second]:.2f} x its {COSTS[second]}"
    if abs(1.0 / ratios[first] - 1.0) > verdict.tolerance:
        costs += f" (not at equal cost: no width of {comparison.reference} is nearer)"
    return (
        f"{verdict.task} {verdict.search}: the found network {comparison.outcome} {comparison.reference}: {values}, "
        f"{difference(metric, comparison.difference, verdict.confidence)}, at {costs}"
    )


def value(metric: Metric, number: float) -> str:
    """Return a value of the metric: ``98.2 %``, or a perplexity as ``67.0``."""
    return f"{number:.1f}" if metric.is_perplexity else f"{100 * number:.1f} %"


def interval(metric: Metric, bounds: Interval) -> str:
    """Return a value with the bounds of its interval."""
    return f"{value(metric, bounds.mean)} ({value(metric, bounds.low)} to {value(metric, bounds.high)})"


def difference(metric: Metric, bounds: Interval, confidence: float) -> str:
    """Return how far the found network's quality is from the reference's, in points or in percent of a perplexity.

    ``bounds`` is how much better it is. The words say higher or lower; the interval keeps the signs of the metric.
    """
    sign = 100 if metric.higher_is_better else -100
    ends = sorted((sign * bounds.low, sign * bounds.high))
    size, unit = abs(100 * bounds.mean), "%" if metric.is_perplexity else "points"
    direction = "higher" if sign * bounds.mean > 0 else "lower"
    how = f"equal {metric.name}" if round(size, 1) == 0 else f"{size:.1f} {unit} {direction} {metric.name}"
    return f"{how} ({100 * confidence:g} %: {ends[0]:+.1f} to {ends[1]:+.1f})"


def table(verdict: Verdict, latencies: Mapping[str, float | int] | None = None) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of the networks, the found one first; without latencies, no such column."""
    spec = spec_of(verdict.task)
    quality = f"{spec.metric.test_title}, {100 * verdict.confidence:g} % interval"
    heading = ["network", quality, "parameters", spec.macs, "activation memory"]
    if latencies:
        heading.append("latency, 1 thread")
    heading.append("the found one")
    outcomes: dict[str, str] = {
        item.reference: f"{item.outcome} it (p {_p(item.p_adjusted)})" for item in verdict.comparisons
    }
    rows = []
    for network in verdict.networks:
        row = [label(network), interval(spec.metric, network.quality), *_costs(network)]
        if latencies:
            row.append(f"{latencies[network.name]:.2f} ms" if network.name in latencies else "")
        rows.append([*row, outcomes.get(network.name, "")])
    return heading, rows


def label(network: Judged) -> str:
    """Return what a table calls a network."""
    name = "found cell" if network.name == FOUND else network.name
    return name if network.learning_rate == 1.0 else f"{name}, learning rate x {network.learning_rate:g}"


def notes(verdict: Verdict) -> list[str]:
    """Return what a reader must know: how networks were made equal, trained and tested."""
    spec = spec_of(verdict.task)
    seeds = "one seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds"
    if not verdict.comparisons:
        return [f"No reference was asked for; {verdict.examples:,} test {spec.unit}s, {seeds}."]
    count = len(verdict.comparisons)
    tests = ", ".join(dict.fromkeys(comparison.test for comparison in verdict.comparisons))
    return [
        f"Each reference was scaled in width to the found network's {COSTS[verdict.cost]} and trained by the same "
        f"recipe on the same data ({verdict.dataset}) under {seeds}; {verdict.examples:,} test {spec.unit}s.",
        f"{tests[0].upper()}{tests[1:]}; p-values are Holm-adjusted for {count} reference{'s' if count > 1 else ''}. "
        f"A tie is a difference that these tests cannot tell from none, not proof that there is none.",
    ]


def _costs(network: Judged) -> list[str]:
    costs = network.costs
    return [f"{costs['parameters']:,}", f"{costs['macs']:,}", f"{costs['activation_bytes'] / 1024:,.0f} KiB"]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"

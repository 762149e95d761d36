"""Compare traces: results at each budget, paired tests between strategies, and both in sentences."""

from collections.abc import Iterator, Mapping, Sequence

from autoshrink.errors import UserError
from autoshrink.params.base import Task
from autoshrink.params.study import Study
from autoshrink.records.study import (
    AtBudget,
    BudgetTests,
    Comparison,
    CurvePoint,
    Interval,
    Paired,
    RankCorrelation,
    StrategyResult,
    StrategyTest,
)
from autoshrink.study import statistics
from autoshrink.study.traces import Trace
from autoshrink.tasks.spec import spec_of

# points of an anytime curve
_POINTS = 120


def compare(traces: Sequence[Trace], settings: Study, task: Task, source: str) -> Comparison:
    """Return the comparison of the traces' strategies, the first being the one that the others are tested against.

    ``source`` says where the evaluations come from. Raises UserError when a strategy has no answer for any seed.
    """
    by_strategy: dict[str, list[Trace]] = {}
    for trace in traces:
        by_strategy.setdefault(trace.strategy, []).append(trace)
    for strategy, found in by_strategy.items():
        if all(trace.answer is None for trace in found):
            lacking = sum(trace.missing for trace in found)
            cause = f"; {lacking:,} of {sum(len(trace.spent) for trace in found):,} proposals are not in the table"
            raise UserError(
                f"{task}/{strategy}: no search found a cell with a finite score within the limits"
                + (cause if lacking else "")
            )
    reference = next(iter(by_strategy))
    full = max(trace.total for trace in by_strategy[reference])
    return Comparison(
        task=task,
        source=source,
        reference=reference,
        full_budget=full,
        confidence=settings.confidence,
        strategies=tuple(_strategy(name, found, settings, full) for name, found in by_strategy.items()),
        tests=tuple(_tests(by_strategy, reference, share, full, settings) for share in settings.budgets),
        quality=spec_of(task).metric.test_title,
        correlation=_correlation(traces, task),
    )


def statements(comparison: Comparison) -> list[str]:
    """Return what the comparison shows at its largest budget, in sentences: whatever the outcome, it is stated."""
    reference, level = comparison.reference, 1 - comparison.confidence
    said = []
    tests = max(comparison.tests, key=lambda item: item.share)
    for test in tests.against:
        difference = test.difference.mean
        assert difference is not None, "a test has pairs"
        verdict = f"no difference between {test.strategy} and {reference} is shown"
        if test.t_adjusted < level:
            verdict = f"{test.strategy} is {'better' if difference > 0 else 'worse'} than {reference}"
        said.append(
            f"At {tests.share:.0%} of the budget ({tests.budget:.0f} candidate-epochs) {test.strategy} "
            f"scores {abs(difference):.4g} {'higher' if difference > 0 else 'lower'} than {reference} on average over "
            f"{test.pairs} seeds (better in {test.wins}, worse in {test.losses}; paired t-test p "
            f"{_p(test.t)}, adjusted {_p(test.t_adjusted)}; signed-rank p {_p(test.wilcoxon)}): {verdict}."
        )
    found = comparison.correlation
    if found is None:
        said.append("How proxy scores and final quality go together was not measured (study.final_training).")
    else:
        said.append(
            f"Proxy score and {comparison.quality} of {found.pairs} answers: Spearman's rank correlation "
            f"{found.spearman:.2f} (p {_p(found.spearman_p)}), Kendall's {found.kendall:.2f}, "
            "the sign being such that positive is agreement."
        )
    return said


def _p(value: float) -> str:
    return "< 1e-12" if value < 1e-12 else f"= {value:.3g}"


def _strategy(name: str, found: Sequence[Trace], settings: Study, full: int) -> StrategyResult:
    budgets = []
    for share in settings.budgets:
        values = [value for trace in found if (value := trace.at(share * full)) is not None]
        spread = _interval(values, settings.confidence)
        budgets.append(AtBudget(share=share, searches=len(values), **spread.model_dump()))
    answers = [trace.answer for trace in found if trace.answer is not None]
    qualities = [trace.quality for trace in found if trace.quality is not None]
    return StrategyResult(
        name=name,
        seeds=tuple(trace.seed for trace in found),
        answers=tuple(trace.answer for trace in found),
        epochs=statistics.mean([trace.total for trace in found]),
        trained=statistics.mean([trace.trained for trace in found]),
        budgets=tuple(budgets),
        answer=_interval(answers, settings.confidence),
        quality=_interval(qualities, settings.confidence) if qualities else None,
        curve=tuple(_curve(found, settings.confidence)),
    )


def _interval(values: Sequence[float], confidence: float) -> Interval:
    return statistics.interval(values, confidence) if values else Interval(mean=None)


def _curve(found: Sequence[Trace], confidence: float) -> Iterator[CurvePoint]:
    """Yield the mean best score against candidate-epochs, with its interval, from where every search has an answer."""
    longest = max(trace.total for trace in found)
    for step in range(1, _POINTS + 1):
        budget = longest * step / _POINTS
        values = [trace.at(budget) for trace in found if trace.answer is not None]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            yield CurvePoint(epochs=budget, **statistics.interval(known, confidence).model_dump())


def _tests(
    by_strategy: Mapping[str, Sequence[Trace]], reference: str, share: float, full: int, settings: Study
) -> BudgetTests:
    """Test every strategy against the reference at a share of the budget, on the seeds for which both have an
    answer."""
    budget = share * full
    base = {trace.seed: trace.at(budget) for trace in by_strategy[reference]}
    against: dict[str, Paired] = {}
    for name, found in by_strategy.items():
        pairs = [
            (ours, theirs)
            for trace in found
            if (ours := base.get(trace.seed)) is not None and (theirs := trace.at(budget)) is not None
        ]
        if name != reference and len(pairs) > 1:
            first, second = zip(*pairs, strict=True)
            against[name] = statistics.paired(first, second, settings.confidence)
    t = statistics.holm([test.t for test in against.values()])
    wilcoxon = statistics.holm([test.wilcoxon for test in against.values()])
    tests = [
        StrategyTest(strategy=name, t_adjusted=one, wilcoxon_adjusted=other, **dict(test))
        for (name, test), one, other in zip(against.items(), t, wilcoxon, strict=True)
    ]
    return BudgetTests(share=share, budget=budget, against=tuple(tests))


def _correlation(traces: Sequence[Trace], task: Task) -> RankCorrelation | None:
    pairs = [(t.answer, t.quality) for t in traces if t.answer is not None and t.quality is not None]
    if not pairs:
        return None
    scores, qualities = zip(*pairs, strict=True)
    sign = 1.0 if spec_of(task).metric.higher_is_better else -1.0
    return statistics.rank_correlation(scores, [sign * quality for quality in qualities])

"""Write a comparison as CSV, Markdown, SVG figures and one HTML page."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.files import artifacts, markdown
from autoshrink.records.study import Comparison, Interval
from autoshrink.study import comparison as comparisons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any common colour-blindness tell apart; lines repeat what colour says
_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b6472", "#000000"]
_DASHES = ["-", "--", "-.", ":"]
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7ec",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "autoshrink",
    "figure.constrained_layout.use": True,
}
FILES = ("study.json", "study.csv", "study.md", "anytime.svg", "answers.svg", "index.html")


def write(comparison: Comparison, out: Path) -> list[Path]:
    """Write all of ``FILES`` into the folder ``out`` and return their paths."""
    import matplotlib

    rows = table(comparison)
    said = comparisons.statements(comparison)
    with matplotlib.rc_context(_STYLE):
        figures = {"anytime.svg": _svg(_anytime(comparison)), "answers.svg": _svg(_answers(comparison))}
    comparison.write(out / "study.json")
    texts = {
        "study.csv": _csv(rows),
        "study.md": _markdown(rows, said),
        **figures,
        "index.html": _html(comparison, rows, said, figures),
    }
    for name, text in texts.items():
        artifacts.write_text(out / name, text)
    return [out / name for name in FILES]


def table(comparison: Comparison) -> list[dict[str, str]]:
    """Return the comparison's table: a row per strategy and budget, and one for its final answers."""
    rows = []
    tests = {(tests.share, test.strategy): test for tests in comparison.tests for test in tests.against}
    for strategy in comparison.strategies:
        for budget in strategy.budgets:
            test = tests.get((budget.share, strategy.name))
            rows.append(
                {
                    "strategy": strategy.name,
                    "budget": f"{budget.share:.0%}",
                    "candidate-epochs": f"{budget.share * comparison.full_budget:.0f}",
                    "seeds": str(budget.searches),
                    **_numbers(budget),
                    f"against {comparison.reference}": "" if test is None else f"{test.difference.mean:+.4f}",
                    "p (paired t)": "" if test is None else f"{test.t:.2g}",
                    "p (adjusted)": "" if test is None else f"{test.t_adjusted:.2g}",
                    "trained": "",
                    comparison.quality: "",
                }
            )
        quality = strategy.quality
        rows.append(
            {
                **dict.fromkeys(rows[-1], ""),
                "strategy": strategy.name,
                "budget": "all it spends",
                "candidate-epochs": f"{strategy.epochs:.0f}",
                "seeds": str(sum(answer is not None for answer in strategy.answers)),
                **_numbers(strategy.answer),
                "trained": f"{strategy.trained:.1f}",
                comparison.quality: "" if quality is None else f"{quality.mean:.4f}",
            }
        )
    return rows


def _numbers(found: Interval) -> dict[str, str]:
    return {
        "mean score": "" if found.mean is None else f"{found.mean:.4f}",
        "deviation": "" if found.deviation is None else f"{found.deviation:.4f}",
        "interval": "" if found.low is None or found.high is None else f"{found.low:.4f} to {found.high:.4f}",
    }


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    import pandas as pd

    return str(pd.DataFrame(rows, dtype=str).to_csv(index=False, lineterminator="\n"))


def _markdown(rows: Sequence[Mapping[str, str]], said: Sequence[str]) -> str:
    body = markdown.table(list(rows[0]), [list(row.values()) for row in rows])
    return "\n".join([body, "", *(f"- {markdown.escaped(sentence)}" for sentence in said), ""])


def _html(
    comparison: Comparison, rows: Sequence[Mapping[str, str]], said: Sequence[str], figures: Mapping[str, str]
) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autoshrink.study"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    # only the drawing itself goes into the page, without the file's XML head
    drawings = {name.removesuffix(".svg"): text[text.index("<svg") :] for name, text in figures.items()}
    return environment.get_template("study.html.j2").render(
        comparison=comparison, columns=list(rows[0]), rows=rows, statements=said, drawings=drawings
    )


def _anytime(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.6))
    axis = figure.subplots()
    for index, strategy in enumerate(comparison.strategies):
        curve = strategy.curve
        color, dashes = _COLORS[index % len(_COLORS)], _DASHES[(index + index // len(_COLORS)) % len(_DASHES)]
        epochs = [point.epochs for point in curve]
        axis.plot(epochs, _numbers_of(point.mean for point in curve), dashes, color=color, lw=1.8, label=strategy.name)
        if curve and curve[0].low is not None:
            low, high = _numbers_of(point.low for point in curve), _numbers_of(point.high for point in curve)
            axis.fill_between(epochs, low, high, color=color, alpha=0.14, lw=0)
    for tests in comparison.tests:
        axis.axvline(tests.share * comparison.full_budget, color="#8a93a3", lw=0.8, ls=":")
    axis.set_xlabel("candidate-epochs spent")
    axis.set_ylabel("best score so far (mean)")
    axis.legend(loc="lower right")
    return figure


def _answers(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    strategies = comparison.strategies
    figure = Figure(figsize=(9, 0.8 + 0.5 * len(strategies)))
    axis = figure.subplots()
    for index, strategy in enumerate(strategies):
        answers = sorted(answer for answer in strategy.answers if answer is not None)
        color = _COLORS[index % len(_COLORS)]
        # a thousand dots would hide each other: beyond 60, the quantiles stand for them
        shown = answers if len(answers) <= 60 else [answers[round(q * (len(answers) - 1) / 40)] for q in range(41)]
        axis.plot(shown, [index] * len(shown), "o", color=color, ms=4, alpha=0.45, mew=0)
        mean, low, high = strategy.answer.mean, strategy.answer.low, strategy.answer.high
        axis.plot(_numbers_of([mean]), [index], "|", color="#1b1f24", ms=16, mew=2)
        if low is not None:
            axis.plot(_numbers_of([low, high]), [index, index], "-", color="#1b1f24", lw=2)
    axis.set_yticks(range(len(strategies)), [strategy.name for strategy in strategies])
    axis.set_ylim(len(strategies) - 0.5, -0.5)
    axis.set_xlabel("score of the answer: every seed, and the mean with its interval")
    return figure


def _numbers_of(values: Iterable[float | None]) -> list[float]:
    """Return the values as matplotlib takes them; one that is missing leaves a gap."""
    return [math.nan if value is None else value for value in values]


def _svg(figure: "Figure") -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, facecolor="white")
    return text.getvalue()

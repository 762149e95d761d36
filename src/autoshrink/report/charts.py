"""The page's charts as Vega-Lite specifications, one set per kind of search; the page brings data and colours.

Every chart reads the named data set ``points``. The parameters ``current`` (a round) and ``chosen`` (a candidate's id)
are set by the page, which is how charts, film strip and lists show the same thing.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from autoshrink.params.base import Task
from autoshrink.report import palette
from autoshrink.report.figures import COST, METRIC

if TYPE_CHECKING:
    import altair as alt

HEIGHT = 210


@cache
def of_search(task: Task, shrinks: bool) -> dict[str, dict[str, Any]]:
    """Return a search's charts by name: score, metric and cost over the search, scatter, curve of one candidate.

    ``shrinks``: edges left tell its rounds apart; else charts go by round.
    """
    across = ("edges", "edges left") if shrinks else ("round", "round")
    cost = COST[task][1]
    name = METRIC[task].split()[-1]
    return {
        "score": _over_search("score", "score", across),
        "metric": _over_search("metric", METRIC[task], across),
        "cost": _over_search("cost", f"{cost} of the proxy network", across),
        "scatter": _scatter(task, cost),
        "curve": curves([f"train_{name}", f"validation_{name}"], 160, f"{name} of the chosen candidate, by epoch"),
    }


def curves(columns: Sequence[str], height: int, description: str) -> dict[str, Any]:
    """Return the chart of a training: a line by epoch for each of ``columns``, which share a scale."""
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .transform_fold(list(columns), as_=["column", "value"])
        .transform_filter("isValid(datum.value)")
        .transform_calculate(series="replace(datum.column, /_/g, ' ')", passed="datum.epoch + 1")
        .mark_line(point=True)
        .encode(
            alt.X("passed:Q", title="epoch", axis=_whole_numbers()),
            alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            alt.Color("series:N", title=None, scale=_pair(), legend=_legend()),
            tooltip=[
                alt.Tooltip("passed:Q", title="epoch"),
                alt.Tooltip("series:N", title="series"),
                alt.Tooltip("value:Q", title="value", format=".4g"),
            ],
        )
    )
    return _finish(chart, height, description)


@cache
def comparison(task: Task) -> dict[str, Any]:
    """Return the chart that lays two runs' kept cells over each other: score against edges left."""
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(point=alt.OverlayMarkDef(size=40, filled=True))
        .encode(
            alt.X("edges:Q", title="edges left", scale=alt.Scale(reverse=True), axis=_whole_numbers()),
            alt.Y("score:Q", title="score of the kept cell", scale=alt.Scale(zero=False)),
            alt.Color("run:N", title=None, scale=_pair(), legend=_legend()),
            alt.StrokeDash("run:N", title=None),
            alt.Order("round:Q"),
            tooltip=["run:N", "round:Q", "edges:Q", alt.Tooltip("score:Q", format=".4f")],
        )
    )
    return _finish(chart, HEIGHT, f"Scores of the kept cells of both runs, {task} search, against edges left.")


def _over_search(field: str, title: str, across: tuple[str, str]) -> dict[str, Any]:
    import altair as alt

    current = alt.param(name="current", value=-1)
    chosen = alt.param(name="chosen", value="")
    base = alt.Chart(alt.NamedData("points")).transform_filter(f"isValid(datum.{field})")
    x = alt.X(
        f"{across[0]}:Q",
        title=across[1],
        scale=alt.Scale(reverse=across[0] == "edges", nice=False, padding=12),
        axis=_whole_numbers(),
    )
    axis = alt.Axis(format="~s") if field == "cost" else alt.Axis()
    y = alt.Y(f"{field}:Q", title=None, scale=alt.Scale(zero=False), axis=axis)
    tooltip = _tooltip(field, title)
    tried = base.mark_circle(size=34, opacity=0.5, color=palette.CANDIDATE, cursor="pointer").encode(
        x, y, tooltip=tooltip
    )
    kept = base.transform_filter("datum.kept").encode(x, y, tooltip=tooltip)
    line = kept.mark_line(color=palette.SELECTED, strokeWidth=1.8).encode(order="round:Q")
    dots = kept.mark_circle(color=palette.SELECTED, size=46, opacity=1, cursor="pointer")
    shown = kept.transform_filter("datum.round == current").mark_rule(
        color=palette.CANDIDATE, strokeWidth=1.2, strokeDash=[4, 3]
    )
    layers = alt.layer(shown.encode(x), tried, line, dots, *_marks(base, x, y, tooltip))
    described = f"{title} of every candidate, and of the cell that each round kept, against {across[1]}."
    return _finish(layers.add_params(current, chosen), HEIGHT, described[0].upper() + described[1:])


def _scatter(task: Task, cost: str) -> dict[str, Any]:
    import altair as alt

    current = alt.param(name="current", value=-1)
    chosen = alt.param(name="chosen", value="")
    base = alt.Chart(alt.NamedData("points")).transform_filter("isValid(datum.metric)")
    x = alt.X(
        "cost:Q",
        title=f"{cost} of the proxy network",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(format="~s", tickCount=6, labelOverlap="greedy"),
    )
    y = alt.Y(
        "metric:Q",
        title=METRIC[task] + (" (reversed: better is up)" if task is Task.RNN else ""),
        scale=alt.Scale(zero=False, reverse=task is Task.RNN),
    )
    tooltip = _tooltip("metric", METRIC[task])
    colour = alt.Color(
        "edges:Q",
        title="edges left",
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(orient="bottom", gradientThickness=8, titleAnchor="start"),
    )
    # the outline keeps the scheme's darkest colours apart from a dark page, and its lightest from a light one
    points = base.mark_circle(size=52, opacity=0.9, cursor="pointer", stroke=palette.CANDIDATE, strokeWidth=0.8).encode(
        x, y, colour, tooltip=tooltip
    )
    front = base.transform_filter("datum.front").mark_line(
        color=palette.FRONT, strokeWidth=2.4, interpolate="step-after"
    )
    rings = base.transform_filter("datum.kept").mark_point(
        color=palette.SELECTED, size=110, strokeWidth=1.6, filled=False, cursor="pointer"
    )
    layers = alt.layer(
        front.encode(x, y, order="cost:Q"),
        points,
        rings.encode(x, y, tooltip=tooltip),
        *_marks(base, x, y, tooltip),
    )
    described = f"{METRIC[task].capitalize()} against {cost} of every candidate, with the Pareto front."
    return _finish(layers.add_params(current, chosen), 340, described)


def _marks(base: "alt.Chart", x: "alt.X", y: "alt.Y", tooltip: "list[alt.Tooltip]") -> "list[alt.Chart]":
    """Return what every chart of candidates marks: the answer, and the candidate on show."""
    best = base.transform_filter("datum.best").mark_point(
        shape="M0,-1L0.2939,-0.4045L0.9511,-0.309L0.4755,0.1545L0.5878,0.809L0,0.5L-0.5878,0.809L-0.4755,0.1545"
        "L-0.9511,-0.309L-0.2939,-0.4045Z",
        size=190,
        filled=True,
        opacity=1,
        color=palette.BEST,
        stroke="white",
        strokeWidth=0.8,
        cursor="pointer",
    )
    picked = base.transform_filter("datum.id == chosen").mark_point(
        size=320, strokeWidth=2.2, filled=False, color=palette.BEST, opacity=1
    )
    return [best.encode(x, y, tooltip=tooltip), picked.encode(x, y)]


def _tooltip(field: str, title: str) -> "list[alt.Tooltip]":
    import altair as alt

    values = {"score": ".4f", "metric": ".4~g", "cost": ".3~s"}
    return [
        alt.Tooltip("round:Q", title="round"),
        alt.Tooltip("origin:N", title="candidate"),
        alt.Tooltip("edges:Q", title="edges left"),
        alt.Tooltip(f"{field}:Q", title=title, format=values[field]),
    ]


def _whole_numbers() -> "alt.Axis":
    import altair as alt

    return alt.Axis(labelExpr="datum.value % 1 ? '' : format(datum.value, 'd')")


def _legend() -> "alt.Legend":
    import altair as alt

    return alt.Legend(orient="top", padding=0)


def _pair() -> "alt.Scale":
    import altair as alt

    return alt.Scale(range=[palette.BEST, palette.SELECTED])


def _finish(chart: "alt.Chart | alt.LayerChart | alt.FacetChart", height: int, description: str) -> dict[str, Any]:
    found: dict[str, Any] = chart.properties(width="container", height=height, description=description).to_dict(
        validate=False
    )
    found.pop("config", None)  # the page gives its own, light or dark
    found.pop("$schema", None)  # an address, which the page must not hold; the bundled Vega-Lite is the one meant
    return found

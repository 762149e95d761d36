"""The charts of a search as Vega-Lite specifications, drawn alike on the page and in the static figures.

A specification is ``Json``: Vega-Lite's schema, which altair writes. Every chart reads the named data set ``points``,
whose rows ``points`` makes. The page sets the parameters ``current`` (a round) and ``chosen`` (a candidate's id), which
is how charts, film strip and lists show the same thing.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from autoshrink.evidence import wording
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Task
from autoshrink.records.proposal import in_full
from autoshrink.records.verdict import FOUND, Verdict
from autoshrink.report import palette
from autoshrink.report.runs import EvaluatedCell, Search
from autoshrink.report.view import Point
from autoshrink.search import front
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    import altair as alt

    Layered = alt.LayerChart | alt.FacetChart

METRIC = {task: spec_of(task).metric.proxy_title for task in Task}
COST = {task: ("macs", spec_of(task).macs) for task in Task}
HEIGHT, SCATTER_HEIGHT = 230, 360
PANELS = ("score", "metric", "cost")
_SPREAD = "; whiskers: one standard deviation of a cell over seeds, where finalists measured it"
# what the page sets; a figure shows no round and no candidate in particular
_PARAMETERS: Mapping[str, int | str] = {"current": -1, "chosen": ""}
_STAR = (
    "M0,-1L0.2939,-0.4045L0.9511,-0.309L0.4755,0.1545L0.5878,0.809L0,0.5L-0.5878,0.809L-0.4755,0.1545"
    "L-0.9511,-0.309L-0.2939,-0.4045Z"
)


def points(search: Search) -> list[Point]:
    """Return a point per candidate. One judged by less than a full training has no score and no metric to compare.

    Where finalists have measured the noise, score and metric have whiskers of one standard deviation.
    """
    score_noise, metric_noise = search.deviation
    on_front = {(item.round, item.slot) for item in pareto_front(search)}
    cost = COST[search.task][0]
    found = []
    for item in search.candidates:
        score, metric = (item.score, item.metric) if in_full(item.fidelity) else (None, None)
        found.append(
            Point(
                search=str(search.name),
                id=f"{item.round}.{item.slot}",
                round=item.round,
                origin=item.origin.replace("->", "→"),
                edges=len(item.cell.wires),
                score=score,
                metric=metric,
                cost=item.costs[cost],
                front=(item.round, item.slot) in on_front,
                kept=search.rounds[item.round].taken == item.slot,
                best=(item.round, item.slot) == (search.best_round, search.best_slot),
                score_low=_moved(score, score_noise, -1),
                score_high=_moved(score, score_noise, +1),
                metric_low=_moved(metric, metric_noise, -1),
                metric_high=_moved(metric, metric_noise, +1),
            )
        )
    return found


def _moved(value: float | None, size: float | None, times: int) -> float | None:
    return None if value is None or size is None else value + times * size


def verdict(judged: Verdict) -> Json:
    """Return a figure of each network's test quality, with its interval, against its cost; the found one is a star."""
    import altair as alt

    spec = spec_of(judged.task)
    scale = 1.0 if spec.metric.is_perplexity else 100.0
    rows = [
        {
            "network": wording.label(network),
            "found": network.name == FOUND,
            "cost": network.costs["macs"],
            "quality": scale * network.quality.mean,
            "low": scale * network.quality.low,
            "high": scale * network.quality.high,
        }
        for network in judged.networks
    ]
    unit = "" if spec.metric.is_perplexity else ", %"
    better = "" if spec.metric.higher_is_better else " (reversed: better is up)"
    y_scale = alt.Scale(zero=False, reverse=not spec.metric.higher_is_better)
    x = alt.X("cost:Q", title=spec.macs, scale=alt.Scale(zero=False, padding=40), axis=alt.Axis(format="~s"))
    y_title = f"{spec.metric.test_title}{unit}{better}"
    y = alt.Y("quality:Q", title=y_title, scale=y_scale)
    colour = alt.Color(
        "network:N",
        title=None,
        sort=[wording.label(network) for network in judged.networks],
        scale=alt.Scale(scheme="tableau10"),
        legend=alt.Legend(orient="right"),
    )
    base = alt.Chart(alt.NamedData("points"))
    bars = base.mark_rule(strokeWidth=2).encode(
        x, alt.Y("low:Q", title=y_title, scale=y_scale), alt.Y2("high:Q", title=y_title), colour
    )
    dots = base.mark_point(size=90, filled=True, opacity=1).encode(x, y, colour)
    star = base.transform_filter("datum.found").mark_point(
        shape=_STAR, size=330, filled=True, opacity=1, stroke="white", strokeWidth=0.8
    )
    described = (
        f"{spec.metric.test_title.capitalize()} against {spec.macs} with {100 * judged.confidence:g} % intervals"
    )
    layers = alt.layer(bars, dots, star.encode(x, y, colour))
    return _alone(layers.properties(width=560, height=300, title=described), rows)


def pareto_front(search: Search) -> list[EvaluatedCell]:
    """Return the candidates on the search's Pareto front, over quality and every cost."""
    trained = search.trained
    indices = front.members(
        [item.metric for item in trained],
        [item.costs for item in trained],
        spec_of(search.task).metric.higher_is_better,
    )
    return [trained[index] for index in indices]


@cache
def of_search(task: Task, shrinks: bool) -> dict[str, Json]:
    """Return a search's charts by name: score, metric and cost over the search, scatter, curve of one candidate.

    ``shrinks``: the x axis is edges left; otherwise it is the round.
    """
    name = METRIC[task].split()[-1]
    return {
        **{panel: _finish(*_over_search(panel, task, shrinks), HEIGHT) for panel in PANELS},
        "scatter": _finish(*_scatter(task), SCATTER_HEIGHT),
        "curve": curves([f"train_{name}", f"validation_{name}"], 160, f"{name} of the chosen candidate, by epoch"),
    }


def trajectory(searches: Sequence[Search]) -> Json:
    """Return the figure of one task's searches: score, metric and cost side by side, data included."""
    import altair as alt

    task, shrinks = searches[0].task, all(search.shrinks for search in searches)
    panels = [
        chart.properties(title=_titles(task)[name], width=330, height=250)
        for name in PANELS
        for chart, _ in [_over_search(name, task, shrinks)]
    ]
    return _figure(alt.hconcat(*panels, spacing=30), searches)


def scatter(searches: Sequence[Search]) -> Json:
    """Return the figure of quality against cost of every candidate, with the Pareto front, data included."""
    chart, _ = _scatter(searches[0].task)
    return _figure(chart.properties(title="Every candidate", width=620, height=400), searches)


def curves(columns: Sequence[str], height: int, description: str) -> Json:
    """Return the chart of a training: a line by epoch for each of ``columns``, on one scale."""
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
    return _finish(chart, description, height, {})


def node_widths(nodes: Sequence[str], growths: int) -> Json:
    """Return the widths of a growing network's nodes, in the network's order, after each growth."""
    import altair as alt

    base = alt.Chart(alt.NamedData("points")).encode(
        alt.X("growth:O", title="growth", axis=alt.Axis(labelAngle=0)),
        alt.Y("node:N", title="stage.cell.node", sort=list(nodes)),
        tooltip=["node:N", "growth:O", alt.Tooltip("width:Q", title="filters")],
    )
    legend = alt.Legend(orient="top", gradientThickness=8)
    layers = [
        base.mark_rect().encode(alt.Color("width:Q", title="filters", scale=alt.Scale(scheme="blues"), legend=legend))
    ]
    if growths <= 12:
        layers.append(
            base.transform_joinaggregate(greatest="max(width)")
            .mark_text(fontSize=11)
            .encode(
                text="width:Q",
                color=alt.when("datum.width > 0.6 * datum.greatest")
                .then(alt.value("#ffffff"))
                .otherwise(alt.value("#1b1f24")),
            )
        )
    description = "Filters of each node of the final network after each growth."
    return _finish(alt.layer(*layers), description, max(160, 20 * len(nodes)), {})


@cache
def growth_gains() -> Json:
    """Return each growth's predicted gain beside its real one."""
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_bar()
        .encode(
            alt.X("growth:O", title="growth", axis=alt.Axis(labelAngle=0)),
            alt.XOffset("kind:N"),
            alt.Y("gain:Q", title="loss lowered by, nats"),
            alt.Color("kind:N", title=None, scale=_pair(), legend=_legend()),
            tooltip=["growth:O", "kind:N", alt.Tooltip("gain:Q", format=".4g")],
        )
    )
    return _finish(chart, "Predicted and real gain of each growth of the final network.", 260, {})


def class_accuracy(classes: int) -> Json:
    """Return the chart of a classifier's accuracy by class, the hardest first."""
    import altair as alt

    base = alt.Chart(alt.NamedData("points")).encode(
        alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=160)),
        alt.X("accuracy:Q", title="test accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%")),
        tooltip=[
            alt.Tooltip("name:N", title="class"),
            alt.Tooltip("accuracy:Q", format=".1%"),
            alt.Tooltip("images:Q", title="test images"),
        ],
    )
    chart = base.mark_bar(color=palette.SELECTED, height={"band": 0.7})
    return _finish(chart, "Test accuracy of the final model by class.", max(120, 22 * classes), {})


def confusion(classes: Sequence[str]) -> Json:
    """Return the confusion matrix of a classifier: shares of each true class's images by predicted class."""
    import altair as alt

    order = list(classes)
    base = alt.Chart(alt.NamedData("points")).encode(
        alt.X("predicted:N", title="predicted", sort=order, scale=alt.Scale(domain=order)),
        alt.Y("truth:N", title="true class", sort=order, scale=alt.Scale(domain=order), axis=alt.Axis(labelLimit=160)),
        tooltip=["truth:N", "predicted:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    boxes = base.mark_rect().encode(
        alt.Color(
            "share:Q",
            title="share of the true class",
            scale=alt.Scale(scheme="blues", domain=[0, 1]),
            legend=alt.Legend(orient="top", gradientThickness=8, format=".0%"),
        )
    )
    layers = [boxes]
    if len(order) <= 12:
        shade = alt.when("datum.share > 0.5").then(alt.value("#ffffff")).otherwise(alt.value("#1b1f24"))
        layers.append(base.mark_text(fontSize=11).encode(text="images:Q", color=shade))
    chart = alt.layer(*layers)
    return _finish(chart, "Confusion matrix of the final model on the test split.", max(200, 24 * len(order)), {})


@cache
def comparison(task: Task) -> Json:
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
    return _finish(chart, f"Scores of the kept cells of both runs, {task} search, against edges left.", HEIGHT, {})


def _titles(task: Task) -> dict[str, str]:
    return {"score": "score", "metric": METRIC[task], "cost": f"{COST[task][1]} of the proxy network"}


def _over_search(field: str, task: Task, shrinks: bool) -> "tuple[Layered, str]":
    """Return score, metric or cost over a search, and what the chart is in words."""
    import altair as alt

    title = _titles(task)[field]
    across = ("edges", "edges left") if shrinks else ("round", "round")
    base = alt.Chart(alt.NamedData("points")).transform_filter(f"isValid(datum.{field})")
    x = alt.X(
        f"{across[0]}:Q",
        title=across[1],
        scale=alt.Scale(reverse=shrinks, nice=False, padding=12),
        axis=_whole_numbers(),
    )
    axis = alt.Axis(format="~s") if field == "cost" else alt.Axis()
    y = alt.Y(f"{field}:Q", title=None, scale=alt.Scale(zero=False), axis=axis)
    tooltip = _tooltip(field, title)
    tried = base.mark_circle(size=34, opacity=0.5, cursor="pointer").encode(
        x, y, _meaning("candidate", tuple(palette.MEANINGS)[:3]), tooltip=tooltip
    )
    kept = base.transform_filter("datum.kept")
    line = kept.mark_line(color=palette.SELECTED, strokeWidth=1.8).encode(x, y, detail="search:N", order="round:Q")
    dots = kept.mark_circle(size=46, opacity=1, cursor="pointer").encode(
        x, y, _meaning("kept by its round"), tooltip=tooltip
    )
    shown = kept.transform_filter("datum.round == current").mark_rule(
        color=palette.CANDIDATE, strokeWidth=1.2, strokeDash=[4, 3]
    )
    layers = alt.layer(
        shown.encode(x), *_whiskers(base, field, x, None), tried, line, dots, *_marks(base, x, y, tooltip)
    )
    described = f"{title} of every candidate, and of the cell that each round kept, against {across[1]}{_SPREAD}."
    if field == "cost":
        described = described.replace(_SPREAD, "")
    return layers, described[0].upper() + described[1:]


def _scatter(task: Task) -> "tuple[Layered, str]":
    """Return quality against cost of every candidate, and what the chart is in words."""
    import altair as alt

    cost = COST[task][1]
    base = alt.Chart(alt.NamedData("points")).transform_filter("isValid(datum.metric)")
    x = alt.X(
        "cost:Q",
        title=f"{cost} of the proxy network",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(format="~s", tickCount=6, labelOverlap="greedy"),
    )
    y = alt.Y(
        "metric:Q",
        title=METRIC[task] + ("" if spec_of(task).metric.higher_is_better else " (reversed: better is up)"),
        scale=alt.Scale(zero=False, reverse=not spec_of(task).metric.higher_is_better),
    )
    tooltip = _tooltip("metric", METRIC[task])
    fill = alt.Fill(
        "edges:Q",
        title="edges left",
        scale=alt.Scale(scheme="viridis"),
        legend=alt.Legend(orient="bottom", gradientThickness=8, titleAnchor="start"),
    )
    # the outline keeps the scheme's darkest colours apart from a dark page, and its lightest from a light one
    dots = base.mark_point(
        size=52, opacity=0.9, cursor="pointer", stroke=palette.CANDIDATE, strokeWidth=0.8, filled=True
    ).encode(x, y, fill, tooltip=tooltip)
    on_front = base.transform_filter("datum.front").mark_point(
        shape="diamond", size=190, strokeWidth=2.2, filled=False, cursor="pointer"
    )
    kept = base.transform_filter("datum.kept").mark_point(size=110, strokeWidth=1.6, filled=False, cursor="pointer")
    layers = alt.layer(
        *_whiskers(base, "metric", x, y),
        dots,
        on_front.encode(x, y, _meaning("Pareto front", tuple(palette.MEANINGS)[1:]), tooltip=tooltip),
        kept.encode(x, y, _meaning("kept by its round"), tooltip=tooltip),
        *_marks(base, x, y, tooltip),
    )
    described = f"{METRIC[task].capitalize()} against {cost} of every candidate, with the Pareto front over all costs."
    return layers, described


def _whiskers(base: "alt.Chart", field: str, x: "alt.X", y: "alt.Y | None") -> "list[alt.Chart]":
    """Return the noise of every candidate, where it is known: one standard deviation of a cell over seeds each way.

    ``y`` is the axis that the whiskers share; None: one without a title.
    """
    import altair as alt

    if field == "cost":
        return []
    low = alt.Y(f"{field}_low:Q", title=None, scale=alt.Scale(zero=False))
    if y is not None:
        low = y.copy()
        low["shorthand"] = f"{field}_low:Q"
    known = base.transform_filter(f"isValid(datum.{field}_low)")
    rule = known.mark_rule(color=palette.CANDIDATE, strokeWidth=1.2, opacity=0.6)
    return [rule.encode(x, low, alt.Y2(f"{field}_high:Q"))]


def _marks(base: "alt.Chart", x: "alt.X", y: "alt.Y", tooltip: "list[alt.Tooltip]") -> "list[alt.Chart]":
    """Return what every chart of candidates marks: the answer, and the candidate on show."""
    best = base.transform_filter("datum.best").mark_point(
        shape=_STAR, size=190, filled=True, opacity=1, stroke="white", strokeWidth=0.8, cursor="pointer"
    )
    chosen = base.transform_filter("datum.id == chosen").mark_point(
        size=320, strokeWidth=2.2, filled=False, color=palette.BEST, opacity=1
    )
    return [best.encode(x, y, _meaning("best of the search"), tooltip=tooltip), chosen.encode(x, y)]


def _meaning(name: str, legend: Sequence[str] = ()) -> "alt.ColorDatum":
    """Return a constant colour with its entry in the legend, which lists ``legend`` (said by one layer for all)."""
    import altair as alt

    if not legend:
        return alt.ColorDatum(name, title=None)
    scale = alt.Scale(domain=list(legend), range=[palette.MEANINGS[item] for item in legend])
    return alt.ColorDatum(name, title=None, scale=scale, legend=_legend())


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

    return alt.Legend(orient="top", padding=0, symbolOpacity=1)


def _pair() -> "alt.Scale":
    import altair as alt

    return alt.Scale(range=[palette.BEST, palette.SELECTED])


def _finish(
    chart: "alt.Chart | Layered", description: str, height: int, parameters: Mapping[str, int | str] | None = None
) -> Json:
    """Return a chart of the page: as wide as its place, coloured by the page's theme."""
    found = _specification(chart.properties(width="container", height=height, description=description))
    return _with_parameters(found, _PARAMETERS if parameters is None else parameters)


def _figure(chart: "Layered | alt.HConcatChart", searches: Sequence[Search]) -> Json:
    """Return a figure that stands alone: with its data, on white."""
    return _alone(chart, [point.to_json() for search in searches for point in points(search)])


def _alone(chart: "Layered | alt.HConcatChart", rows: list[Json]) -> Json:
    """Return a figure that stands alone on white, with these rows as its data."""
    found = _with_parameters(_specification(chart), _PARAMETERS)
    found["datasets"] = {"points": rows}
    found["config"] = {
        "background": "white",
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": {"gridColor": "#e4e7ec", "domainColor": "#8a93a3", "tickColor": "#8a93a3", "titleFontWeight": 500},
        "title": {"anchor": "start", "fontSize": 13},
    }
    found["padding"] = 12
    return found


def _specification(chart: "alt.Chart | Layered | alt.HConcatChart") -> Json:
    found: Json = chart.to_dict(validate=False)
    found.pop("config", None)  # the page gives its own, light or dark
    found.pop("$schema", None)  # an address, which the page must not hold; the bundled Vega-Lite is the one meant
    return found


def _with_parameters(specification: Json, parameters: Mapping[str, int | str]) -> Json:
    return {**specification, "params": [{"name": name, "value": value} for name, value in parameters.items()]}

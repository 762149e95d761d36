"""The static figures of a run: trajectory, cells and scatter, each as PNG and SVG."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells.cell import Cell
from autoshrink.cells.layout import Layout
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.report import front, palette
from autoshrink.report.runs import EvaluatedCell, Search

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
METRIC = {Task.CNN: "validation accuracy", Task.RNN: "validation perplexity"}
COST = {Task.CNN: ("macs", "MACs"), Task.RNN: ("macs", "MACs per token")}
_MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^"}
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7ec",
    "axes.edgecolor": "#8a93a3",
    "axes.labelcolor": "#1b1f24",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "autoshrink",  # else an SVG's ids, and so its bytes, differ from run to run
    "figure.constrained_layout.use": True,
}


def write(searches: Sequence[Search], out: Path) -> list[Path]:
    """Write the figures of one task's searches into the folder ``out`` and return their files."""
    import matplotlib

    written = []
    with matplotlib.rc_context(_STYLE):
        for name, draw in FIGURES.items():
            figure = draw(searches)
            for kind in FORMATS:
                written.append(out / f"{name}.{kind}")
                with artifacts.replacing(written[-1]) as file:
                    metadata = {"Date": None} if kind == "svg" else {"Software": None}
                    figure.savefig(file, format=kind, dpi=160, metadata=metadata, facecolor="white")
    return written


def trajectory(searches: Sequence[Search]) -> "Figure":
    """Return score, metric and cost against edges left: every candidate a dot, each search's kept cells a line.

    Searches that do not lose edges in every round go by round instead.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    task = searches[0].task
    key, cost = COST[task]
    panels: list[tuple[str, Callable[[EvaluatedCell], float | None]]] = [
        ("score", lambda candidate: candidate.score),
        (METRIC[task], lambda candidate: candidate.metric),
        (cost, lambda candidate: candidate.costs[key]),
    ]
    shrinking = all(search.shrinks for search in searches)

    def across(candidate: EvaluatedCell) -> int:
        return len(candidate.cell.edges) if shrinking else candidate.round

    figure, axes = _figure(1, 3, (12.5, 3.9))
    for axis, (label, value) in zip(axes, panels, strict=True):
        for search in searches:
            tried = [(across(item), value(item)) for item in search.trained]
            _dots(axis, tried, color=palette.CANDIDATE, s=14, alpha=0.55, label="candidate")
            kept = [item.winner for item in search.rounds if item.winner]
            points = [(across(item), value(item)) for item in kept]
            axis.plot(
                *_finite(points), "o-", color=palette.SELECTED, ms=4, lw=1.4, alpha=0.9, label="kept by its round"
            )
            _dots(
                axis,
                [(across(search.best), value(search.best))],
                color=palette.BEST,
                marker="*",
                s=170,
                zorder=5,
                label="best of the search",
            )
        axis.set(xlabel="edges left" if shrinking else "round", title=label)
        if shrinking:
            axis.invert_xaxis()
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if label == cost:
            axis.yaxis.set_major_formatter(EngFormatter(sep=" "))
    _one_legend(figure, axes[0])
    return figure


def cells(searches: Sequence[Search]) -> "Figure":
    """Return each search's start and best cell as DAGs with their operators."""
    layouts = [Layout(search.size) for search in searches]
    scale = 1 / 52
    width = 2 * max(layout.width for layout in layouts) * scale + 0.8
    height = sum(layout.height for layout in layouts) * scale + 0.5 * len(searches) + 0.7
    figure, axes = _figure(len(searches), 2, (max(width, 7.5), height))
    operators: set[str] = set()
    for index, (search, layout) in enumerate(zip(searches, layouts, strict=True)):
        for column, (title, cell) in enumerate((("start", search.start), ("best", search.best.cell))):
            axis = axes[2 * index + column]
            draw_cell(axis, cell, layout)
            operators.update(cell.operators)
            round_name = "" if column == 0 else f", round {search.best.round}"
            axis.set_title(f"{search.task}/{search.name}: {title}{round_name}, {len(cell.edges)} edges")
    handles = [_operator_handle(operator) for operator in sorted(operators, key=_operator_order)]
    figure.legend(handles=[*handles, _leaf_handle()], loc="outside lower center", ncols=len(handles) + 1)
    return figure


def scatter(searches: Sequence[Search]) -> "Figure":
    """Return the metric against the cost of every candidate, with the front that no candidate dominates."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    task = searches[0].task
    key, cost = COST[task]
    figure, (axis,) = _figure(1, 1, (7.5, 5.0))
    finite = [item for search in searches for item in search.trained if item.metric is not None]
    drawn = axis.scatter(
        *_finite([(item.costs[key], item.metric) for item in finite]),
        c=[len(item.cell.edges) for item in finite],
        cmap="viridis",
        s=26,
        alpha=0.85,
        linewidths=0,
        label="candidate",
    )
    figure.colorbar(drawn, ax=axis, label="edges left", shrink=0.85)
    edge = front.pareto([(item.costs[key], item.metric) for item in finite], lower_is_better=task is Task.RNN)
    points = [(finite[index].costs[key], finite[index].metric) for index in edge]
    axis.plot(*_finite(points), color=palette.FRONT, lw=2.0, drawstyle="steps-post", label="Pareto front", zorder=1)
    kept = [item.winner for search in searches for item in search.rounds if item.winner]
    _dots(
        axis,
        [(item.costs[key], item.metric) for item in kept],
        facecolors="none",
        edgecolors=palette.SELECTED,
        s=75,
        linewidths=1.3,
        label="kept by its round",
    )
    _dots(
        axis,
        [(search.best.costs[key], search.best.metric) for search in searches],
        color=palette.BEST,
        marker="*",
        s=240,
        edgecolors="white",
        linewidths=0.8,
        zorder=5,
        label="best of the search",
    )
    axis.set(xscale="log", xlabel=f"{cost} of the proxy network", ylabel=METRIC[task], title="Every candidate")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axis.xaxis.set_minor_formatter(NullFormatter())
    if task is Task.RNN:
        axis.invert_yaxis()  # better is up in both tasks
    _one_legend(figure, axis)
    return figure


def draw_cell(axis: "Axes", cell: Cell, layout: Layout) -> None:
    """Draw one cell as an arc diagram; leaves, which form the output, have a second ring."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline
    from matplotlib.patheffects import withStroke

    for source, target in cell.edges:
        curve = layout.edge(source, target)
        outline = Outline(
            [curve.start, curve.first, curve.second, curve.end],
            [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4],
        )
        axis.add_patch(PathPatch(outline, facecolor="none", edgecolor=palette.EDGE, lw=1.3, zorder=1))
    for node, operator in zip(cell.nodes, cell.operators, strict=True):
        look = palette.look(operator)
        x, y = layout.node(node)
        if node in cell.leaves:
            axis.plot(x, y, "o", ms=27, mfc="white", mec=palette.EDGE, mew=1.3, zorder=2)
        axis.plot(
            x,
            y,
            _MARKERS[look.shape],
            ms=17 if look.shape == "square" else 20,
            mfc=look.fill,
            mec="white",
            mew=1.0,
            zorder=3,
        )
        axis.text(x, y, look.short, color=look.text, ha="center", va="center", fontsize=9, weight="bold", zorder=4)
        axis.annotate(
            str(node),
            (x, y),
            (0, -21),
            textcoords="offset points",
            fontsize=7,
            color=palette.EDGE,
            ha="center",
            path_effects=[withStroke(linewidth=3, foreground="white")],
            zorder=5,
        )
    axis.set(xlim=(0, layout.width), ylim=(layout.height, 0), aspect="equal")
    axis.axis("off")


FIGURES: dict[str, Callable[[Sequence[Search]], "Figure"]] = {
    "trajectory": trajectory,
    "cells": cells,
    "scatter": scatter,
}


def _figure(rows: int, columns: int, size: tuple[float, float]) -> "tuple[Figure, list[Axes]]":
    """Return a figure of its own (no global pyplot state) on the Agg canvas, and its axes in reading order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [axis for line in grid for axis in line]


def _finite(points: Sequence[tuple[float, float | None]]) -> tuple[list[float], list[float]]:
    pairs = [(x, y) for x, y in points if y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _dots(axis: "Axes", points: Sequence[tuple[float, float | None]], **look: object) -> None:
    axis.scatter(*_finite(points), **look)  # type: ignore[arg-type]  # matplotlib takes a look's keys as they are


def _one_legend(figure: "Figure", axis: "Axes") -> None:
    """Put one legend below all panels, each label once however many searches there are."""
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=len(once))


def _operator_order(operator: str) -> tuple[bool, str]:
    return (operator != "input", operator)


def _operator_handle(operator: str) -> object:
    from matplotlib.lines import Line2D

    look = palette.look(operator)
    marker = _MARKERS[look.shape]
    return Line2D([], [], marker=marker, ls="", ms=11, mfc=look.fill, mec="white", label=f"{look.short}  {look.label}")


def _leaf_handle() -> object:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="o", ls="", ms=13, mfc="white", mec=palette.EDGE, label="leaf: part of the output")

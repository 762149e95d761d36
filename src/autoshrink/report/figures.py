"""The static figures of a run as PNG and SVG: trajectory, cells and scatter, drawn from the page's descriptions."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from autoshrink.cells import drawing
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.report import charts
from autoshrink.report.runs import Search

FORMATS = ("png", "svg")
# pixels of a PNG per unit of its SVG
SCALE = 2.0
_NUMBERED = re.compile(r"\b(gradient_?|clip)\d+\b")


def write(searches: Sequence[Search], out: Path) -> list[Path]:
    """Write the figures of one task's searches into the folder ``out`` and return their files."""
    import vl_convert

    written = []
    for name, draw in FIGURES.items():
        picture = draw(searches)
        artifacts.write_bytes(out / f"{name}.png", vl_convert.svg_to_png(picture, scale=SCALE))
        artifacts.write_text(out / f"{name}.svg", picture)
        written += [out / f"{name}.{kind}" for kind in FORMATS]
    return written


def trajectory(searches: Sequence[Search]) -> str:
    """Return score, metric and cost over the searches: every candidate a dot, each search's kept cells a line."""
    return rendered(charts.trajectory(searches))


def cells(searches: Sequence[Search]) -> str:
    """Return each search's start and best cell."""
    rows = [
        [
            drawing.Panel(search.start, f"{search.task}/{search.name}: start, {len(search.start.wires)} edges"),
            drawing.Panel(search.best.cell, f"best, round {search.best.round}, {len(search.best.cell.wires)} edges"),
        ]
        for search in searches
    ]
    return drawing.sheet(rows, "The searches' start and best cells", max(search.size for search in searches))


def scatter(searches: Sequence[Search]) -> str:
    """Return the metric against the cost of every candidate, with the Pareto front."""
    return rendered(charts.scatter(searches))


FIGURES: dict[str, Callable[[Sequence[Search]], str]] = {
    "trajectory": trajectory,
    "cells": cells,
    "scatter": scatter,
}


def rendered(specification: Json) -> str:
    """Return a chart as SVG, the same bytes for the same specification."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(specification))
    # Vega numbers gradients and clips through the life of the process: count from 0 in every picture
    numbers: dict[str, str] = {}
    return _NUMBERED.sub(lambda found: numbers.setdefault(found[0], f"{found[1]}{len(numbers)}"), drawn)

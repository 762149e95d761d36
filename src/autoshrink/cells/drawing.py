"""Cells drawn as arc diagrams: one description (places, curves, outlines), rendered as SVG here and in the browser.

``Description`` is what the report's page draws from; ``svg`` and ``sheet`` draw the same in Python, for documents,
model cards and figures.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from autoshrink.cells.cell import STAGE, Cell, Edge
from autoshrink.cells.layout import MARGIN, Layout
from autoshrink.cells.looks import EDGE, FALLEN, RADIUS, RING, look

_LEGEND_LINE = 24.0
_LEGEND_COLUMN = 150.0
_TITLE = 24.0
_GAP = 18.0
_TEXT = "#1b1f24"


@dataclass(frozen=True)
class Places:
    """Where the nodes of cells of one size stand, and the SVG paths of all edges between them, by ``0-2``."""

    width: float
    height: float
    nodes: tuple[tuple[float, float], ...]
    edges: Mapping[str, str]

    @classmethod
    def of(cls, layout: Layout) -> "Places":
        """Return the places of a layout, rounded to what an eye can see."""
        return cls(
            layout.width,
            round(layout.height, 1),
            tuple((round(x, 1), round(y, 1)) for x, y in map(layout.node, range(layout.size))),
            {
                f"{source}-{target}": layout.edge(source, target).path()
                for target in range(layout.size)
                for source in range(target)
            },
        )


@dataclass(frozen=True)
class Symbol:
    """An operator's node: what the legend and the node say, its colours, and its outline as an SVG path."""

    label: str
    short: str
    fill: str
    text: str
    shape: str
    outline: str
    baseline: float
    """The y of ``short``."""

    @classmethod
    def of(cls, operator: str) -> "Symbol":
        """Return the symbol of an operator."""
        shown = look(operator)
        return cls(**vars(shown), outline=shown.outline, baseline=shown.baseline)


@dataclass(frozen=True)
class Description:
    """How to draw any cell of some operators and sizes; a size is the number of node numbers."""

    radius: float
    ring: float
    layouts: Mapping[str, Places]
    """By size."""
    looks: Mapping[str, Symbol]
    """By operator."""

    @classmethod
    def of(cls, sizes: Iterable[int], operators: Iterable[str]) -> "Description":
        """Return how to draw cells of these sizes and operators."""
        return cls(
            RADIUS,
            RING,
            {str(size): Places.of(Layout(size)) for size in sorted(set(sizes))},
            {name: Symbol.of(name) for name in sorted(set(operators))},
        )


@dataclass(frozen=True)
class Panel:
    """One cell of a sheet. ``fallen`` edges, which the cell no longer has, are dashed."""

    cell: Cell
    title: str = ""
    fallen: tuple[Edge, ...] = ()

    def by_stage(self) -> "list[Panel]":
        """Return a panel for each stage's cell, whose nodes are numbered from its own input."""
        if len(self.cell.stages) == 1:
            return [self]
        starts = [0, *(node for node in self.cell.nodes if self.cell.operator(node) == STAGE)]
        return [
            Panel(
                cell,
                f"{self.title}, stage {number}".removeprefix(", "),
                tuple((source - first, target - first) for source, target in self.fallen if first <= source < end),
            )
            for number, (cell, first, end) in enumerate(
                zip(self.cell.stages, starts, [*starts[1:], math.inf], strict=True), 1
            )
        ]


def svg(cell: Cell, title: str, size: int | None = None, fallen: Iterable[Edge] = ()) -> str:
    """Return the cell, or the cell of each stage, as an SVG drawing with a legend; ``title`` is what a screen reader
    says first.

    ``size`` is the number of node numbers to leave space for, so that a series of cells of one search lines up.
    """
    return sheet([[Panel(cell, "", tuple(fallen))]], title, size)


def sheet(rows: Sequence[Sequence[Panel]], title: str, size: int | None = None) -> str:
    """Return rows of cells as one SVG drawing with a common legend, on a white ground.

    Where each stage has a cell, the stages of a row stand below each other.
    """
    if any(len(panel.cell.stages) > 1 for row in rows for panel in row):
        stages = [list(itertools.zip_longest(*(panel.by_stage() for panel in row))) for row in rows]
        rows, size = [[panel for panel in row if panel] for group in stages for row in group], None
    panels = [panel for row in rows for panel in row]
    layout = Layout(size or max(max(panel.cell.nodes) for panel in panels) + 1)
    places = Places.of(layout)
    operators = sorted(
        {name for panel in panels for name in panel.cell.operators if name != "input"},
        key=lambda name: look(name).label,
    )
    head = _TITLE if any(panel.title for panel in panels) else 0.0
    columns = max(len(row) for row in rows)
    # a legend's column is wide enough for its text, also beside a small cell
    panel_width = max(layout.width, _LEGEND_COLUMN, *(7.0 * len(panel.title) for panel in panels))
    width, height = columns * panel_width + (columns - 1) * _GAP, len(rows) * (layout.height + head)
    per_row = max(1, int(width // _LEGEND_COLUMN))
    full = height + -(-(len(operators) + 1) // per_row) * _LEGEND_LINE + 10
    texts = [f"{panel.title}: {describe(panel.cell)}".removeprefix(": ") for panel in panels]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {full:g}" width="{1.4 * width:.0f}" '
        f'height="{1.4 * full:.0f}" role="img" font-family="system-ui, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title><desc>{escape(' '.join(texts))}</desc>",
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
    ]
    for line, row in enumerate(rows):
        for column, panel in enumerate(row):
            x, y = column * (panel_width + _GAP), line * (layout.height + head)
            parts.append(f'<g transform="translate({x:g} {y:g})">')
            if panel.title:
                label = f'x="{MARGIN:g}" y="16" font-size="12" font-weight="700" fill="{_TEXT}"'
                parts.append(f"<text {label}>{escape(panel.title)}</text>")
            parts += [f'<g transform="translate(0 {head:g})">', *_cell(panel, places), "</g></g>"]
    for entry, name in enumerate([*operators, ""]):
        x = MARGIN + (entry % per_row) * _LEGEND_COLUMN
        y = height + 14 + (entry // per_row) * _LEGEND_LINE
        symbol = _symbol(name, False) if name else f'<circle r="{RADIUS:g}" fill="none" stroke="{EDGE}"/>'
        text = look(name).label if name else "leaf: part of the output"
        parts.append(f'<g transform="translate({x:g} {y:g}) scale(0.6)">{symbol}</g>')
        parts.append(f'<text x="{x + 15:g}" y="{y + 4:g}" fill="{_TEXT}">{escape(text)}</text>')
    return "".join([*parts, "</svg>\n"])


def describe(cell: Cell) -> str:
    """Return the cell in words: each node's operator and its inputs, stage by stage as they are drawn."""
    if len(cell.stages) > 1:
        return " ".join(f"Stage {number}: {describe(stage)}" for number, stage in enumerate(cell.stages, 1))
    nodes = [
        f"node {node} ({look(cell.operator(node)).label}) takes "
        + " and ".join(str(source) for source in cell.predecessors(node))
        for node in cell.nodes[1:]
    ]
    leaves = ", ".join(map(str, cell.leaves))
    return f"{'; '.join(['Node 0 is the input', *nodes])}. Leaves: {leaves}."


def _cell(panel: Panel, places: Places) -> list[str]:
    parts = []
    for source, target in panel.cell.edges:
        parts.append(f'<path d="{places.edges[f"{source}-{target}"]}" fill="none" stroke="{EDGE}" stroke-width="1.5"/>')
    for source, target in panel.fallen:
        stroke = f'stroke="{FALLEN}" stroke-width="2" stroke-dasharray="6 4"'
        parts.append(f'<path d="{places.edges[f"{source}-{target}"]}" fill="none" {stroke}/>')
    for node, operator in zip(panel.cell.nodes, panel.cell.operators, strict=True):
        x, y = places.nodes[node]
        halo = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"'  # an edge may pass behind the number
        number = f'<text y="{RING + 11:g}" text-anchor="middle" font-size="8.5" fill="#566070" {halo}>{node}</text>'
        symbol = _symbol(operator, node in panel.cell.leaves)
        parts.append(f'<g transform="translate({x:g} {y:g})">{symbol}{number}</g>')
    return parts


def _symbol(operator: str, leaf: bool) -> str:
    shown = Symbol.of(operator)
    ring = f'<circle r="{RING:g}" fill="#ffffff" stroke="{EDGE}"/>' if leaf else ""
    outline = f'<path d="{shown.outline}" fill="{shown.fill}" stroke="#ffffff"/>'
    text = f'y="{shown.baseline:g}" text-anchor="middle" font-weight="700" fill="{shown.text}"'
    return f"{ring}{outline}<text {text}>{escape(shown.short)}</text>"

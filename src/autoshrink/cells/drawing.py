"""A cell as a picture of its own: an SVG that any page or document can hold, on light ground and on dark."""

from collections.abc import Iterable
from html import escape

from autoshrink.cells.cell import Cell, Edge
from autoshrink.cells.layout import MARGIN, RADIUS, Layout
from autoshrink.report import palette

_LEGEND_LINE = 22.0
_LEGEND_COLUMN = 150.0


def svg(cell: Cell, title: str, size: int | None = None, fallen: Iterable[Edge] = ()) -> str:
    """Return the cell as an SVG drawing with a legend; ``title`` is what a screen reader says first.

    ``size`` is how many node numbers there is room for, so that a series of cells of one search lines up; ``fallen``
    edges, which the cell no longer has, are dashed.
    """
    layout = Layout(size or max(cell.nodes) + 1)
    operators = sorted(set(cell.operators[1:]))
    columns = max(1, int(layout.width // _LEGEND_COLUMN))
    rows = -(-(len(operators) + 1) // columns)
    width = max(layout.width, _LEGEND_COLUMN)
    height = layout.height + rows * _LEGEND_LINE + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{1.4 * width:.0f}" '
        f'height="{1.4 * height:.0f}" role="img" font-family="system-ui, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title><desc>{escape(describe(cell))}</desc>",
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
    ]
    for source, target in cell.edges:
        path = layout.edge(source, target).path()
        parts.append(f'<path d="{path}" fill="none" stroke="{palette.EDGE}" stroke-width="1.4"/>')
    for source, target in fallen:
        path = layout.edge(source, target).path()
        look = f'stroke="{palette.FALLEN}" stroke-width="1.6" stroke-dasharray="2 5"'
        parts.append(f'<path d="{path}" fill="none" {look}/>')
    for node, operator in zip(cell.nodes, cell.operators, strict=True):
        x, y = layout.node(node)
        parts.append(_node(x, y, operator, node in cell.leaves))
    top = layout.height + 10
    names = [palette.look(operator).label for operator in operators]
    for index, (operator, name) in enumerate(zip([*operators, ""], [*names, "leaf: part of the output"], strict=True)):
        x = MARGIN + (index % columns) * _LEGEND_COLUMN
        y = top + (index // columns) * _LEGEND_LINE
        if operator:
            parts.append(f'<g transform="translate({x:g} {y:g}) scale(0.6)">{_node(0, 0, operator, False)}</g>')
        else:
            parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="9" fill="none" stroke="{palette.EDGE}"/>')
        parts.append(f'<text x="{x + 15:g}" y="{y + 4:g}" fill="#1b1f24">{escape(name)}</text>')
    return "".join([*parts, "</svg>\n"])


def describe(cell: Cell) -> str:
    """Return the cell in words: each node's operator and what it takes."""
    nodes = [
        f"node {node} ({palette.look(cell.operator(node)).label}) takes "
        + " and ".join(str(source) for source in cell.predecessors(node))
        for node in cell.nodes[1:]
    ]
    leaves = ", ".join(map(str, cell.leaves))
    return f"Node 0 is the input; {'; '.join(nodes)}. Leaves: {leaves}."


def _node(x: float, y: float, operator: str, leaf: bool) -> str:
    look = palette.look(operator)
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS + 4:g}" fill="#ffffff" stroke="{palette.EDGE}"/>' if leaf else ""
    r = RADIUS
    shapes = {
        "circle": f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{look.fill}"/>',
        "square": f'<rect x="{x - 0.85 * r:g}" y="{y - 0.85 * r:g}" width="{1.7 * r:g}" height="{1.7 * r:g}" rx="2" '
        f'fill="{look.fill}"/>',
        "diamond": f'<path d="M{x:g} {y - 1.1 * r:g}l{1.1 * r:g} {1.1 * r:g}l{-1.1 * r:g} {1.1 * r:g}'
        f'l{-1.1 * r:g} {-1.1 * r:g}z" fill="{look.fill}"/>',
        "triangle": f'<path d="M{x:g} {y - 1.15 * r:g}l{1.1 * r:g} {1.95 * r:g}h{-2.2 * r:g}z" fill="{look.fill}"/>',
    }
    label = (
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" font-weight="700" fill="{look.text}">'
        f"{escape(look.short)}</text>"
    )
    return ring + shapes[look.shape] + label

"""Layout of arc diagrams: where nodes and edges go, the same for every cell of a search.

Nodes stand in a row in the order data flows; the edge to the next node is straight, a longer one is an arc, above the
row when it leaves an even node and below when it leaves an odd one. A node keeps its number for life, so it also
keeps its place, and in a series of cells one sees edges fall and nothing else move.
"""

from dataclasses import dataclass

STEP = 46.0
MARGIN = 22.0
# Space below the row for the nodes' numbers.
NUMBER = 16.0
# An arc's control points stand this much further out than its top, for a cubic curve with both at the same height.
_CUBIC = 4 / 3


@dataclass(frozen=True)
class Curve:
    """An edge as a cubic Bezier curve from centre to centre, four (x, y) points; straight ones are cubics too."""

    start: tuple[float, float]
    first: tuple[float, float]
    second: tuple[float, float]
    end: tuple[float, float]

    def path(self) -> str:
        """Return the curve as an SVG path."""
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = self.start, self.first, self.second, self.end
        return f"M{x0:g} {y0:g}C{x1:g} {y1:g} {x2:g} {y2:g} {x3:g} {y3:g}"


@dataclass(frozen=True)
class Layout:
    """Places for nodes 0..size-1 and every edge between them, in SVG units, y downwards."""

    size: int

    def _reach(self, parity: int) -> float:
        """How far arcs that leave nodes of this parity go from the row."""
        spans = [self.size - 1 - source for source in range(parity, self.size, 2)]
        return max((_rise(span) for span in spans), default=0.0)

    @property
    def width(self) -> float:
        """Width of the drawing."""
        return 2 * MARGIN + STEP * (self.size - 1)

    @property
    def height(self) -> float:
        """Height of the drawing."""
        return 2 * MARGIN + self._reach(0) + max(self._reach(1), NUMBER)

    def node(self, node: int) -> tuple[float, float]:
        """Return the centre of ``node``."""
        return (MARGIN + STEP * node, MARGIN + self._reach(0))

    def edge(self, source: int, target: int) -> Curve:
        """Return the edge's curve."""
        (x0, y), (x1, _) = self.node(source), self.node(target)
        bend = _rise(target - source) * _CUBIC * (-1 if source % 2 == 0 else 1)
        inset = 0.22 * (x1 - x0)
        return Curve((x0, y), (x0 + inset, y + bend), (x1 - inset, y + bend), (x1, y))


def _rise(span: int) -> float:
    """Return an arc's height: none for neighbours, and growing slower than the span, so that long arcs stay low."""
    return 0.0 if span <= 1 else 13.0 * (span - 1) ** 0.85 + 10.0

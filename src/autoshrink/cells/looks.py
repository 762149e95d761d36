"""Colour, shape and short name of each operator in drawings.

Colours are Okabe and Ito's, distinguishable under the common forms of colour blindness; shape and text repeat what
colour says.
"""

from dataclasses import dataclass

RADIUS = 13.0
"""Radius of a node, in SVG units."""
RING = 1.45 * RADIUS
"""Radius of the second ring around a leaf."""
EDGE = "#5b6472"
FALLEN = "#ad4300"

# outlines around (0, 0)
_R = RADIUS
_OUTLINES = {
    "circle": f"M{-_R:g} 0a{_R:g} {_R:g} 0 1 0 {2 * _R:g} 0a{_R:g} {_R:g} 0 1 0 {-2 * _R:g} 0z",
    "square": f"M{-0.88 * _R:g} {-0.88 * _R:g}h{1.76 * _R:g}v{1.76 * _R:g}h{-1.76 * _R:g}z",
    "diamond": f"M0 {-1.2 * _R:g}L{1.2 * _R:g} 0L0 {1.2 * _R:g}L{-1.2 * _R:g} 0z",
    "triangle": f"M0 {-1.1 * _R:g}L{1.1 * _R:g} {0.8 * _R:g}L{-1.1 * _R:g} {0.8 * _R:g}z",
}


@dataclass(frozen=True)
class Look:
    """How an operator's node looks. ``shape`` is circle, square, diamond or triangle; ``short`` fits inside a node."""

    label: str
    short: str
    fill: str
    text: str
    shape: str

    @property
    def outline(self) -> str:
        """The node's outline around (0, 0), as an SVG path."""
        return _OUTLINES[self.shape]

    @property
    def baseline(self) -> float:
        """The y of the text's baseline, so that it stands in the middle of the shape."""
        return 7.0 if self.shape == "triangle" else 4.0


LOOKS: dict[str, Look] = {
    "input": Look("input", "in", EDGE, "#ffffff", "circle"),
    "stage": Look("next stage's input", "in", EDGE, "#ffffff", "circle"),
    "separable_conv_3x3": Look("separable conv 3×3", "s3", "#0072b2", "#ffffff", "circle"),
    "separable_conv_5x5": Look("separable conv 5×5", "s5", "#56b4e9", "#0b1512", "circle"),
    "inverted_residual": Look("inverted residual", "ir", "#d55e00", "#ffffff", "diamond"),
    "max_pool_3x3": Look("max-pool 3×3", "mp", "#f0e442", "#1b1f24", "square"),
    "avg_pool_3x3": Look("average pool 3×3", "ap", "#f0e442", "#1b1f24", "diamond"),
    "skip_connect": Look("skip connection", "sk", "#cc79a7", "#24101b", "circle"),
    "conv_1x1": Look("conv 1×1", "c1", "#e69f00", "#1b1f24", "square"),
    "conv_3x3": Look("conv 3×3", "c3", "#009e73", "#0b1512", "diamond"),
    "relu": Look("ReLU", "R", "#0072b2", "#ffffff", "circle"),
    "tanh": Look("tanh", "T", "#e69f00", "#1b1f24", "square"),
    "sigmoid": Look("sigmoid", "σ", "#009e73", "#0b1512", "diamond"),
    "silu": Look("SiLU", "S", "#56b4e9", "#0b1512", "circle"),
    "gelu": Look("GELU", "G", "#d55e00", "#ffffff", "square"),
    "sin": Look("sine", "sin", "#f0e442", "#1b1f24", "diamond"),
    "identity": Look("identity", "I", "#cc79a7", "#24101b", "triangle"),
}


def look(operator: str) -> Look:
    """Return how ``operator`` looks; an unknown one is grey and labelled by its name."""
    return LOOKS.get(operator) or Look(operator, operator[:2], EDGE, "#ffffff", "square")

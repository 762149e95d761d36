"""Colours, shapes and short names: one meaning, one look, in every figure and on the page.

Colours are Okabe and Ito's, which people with any common colour-blindness tell apart; shape and text repeat what
colour says.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """How an operator's node looks. ``shape`` is circle, square, diamond or triangle; ``short`` fits inside a node."""

    label: str
    short: str
    fill: str
    text: str
    shape: str


INPUT_LOOK = Look("input", "in", "#5b6472", "#ffffff", "circle")

LOOKS: dict[str, Look] = {
    "separable_conv_3x3": Look("separable conv 3×3", "s3", "#0072b2", "#ffffff", "circle"),
    "conv_1x1": Look("conv 1×1", "c1", "#e69f00", "#1b1f24", "square"),
    "conv_3x3": Look("conv 3×3", "c3", "#009e73", "#0b1512", "diamond"),
    "relu": Look("ReLU", "R", "#0072b2", "#ffffff", "circle"),
    "tanh": Look("tanh", "T", "#e69f00", "#1b1f24", "square"),
    "sigmoid": Look("sigmoid", "σ", "#009e73", "#0b1512", "diamond"),
    "identity": Look("identity", "I", "#cc79a7", "#24101b", "triangle"),
}

CANDIDATE = "#8a93a3"
SELECTED = "#0072b2"
BEST = "#d55e00"
FRONT = "#cc79a7"
EDGE = "#5b6472"
FALLEN = "#d55e00"


def look(operator: str) -> Look:
    """Return how ``operator`` looks; one that is not known here is grey and bears its own name."""
    if operator == "input":
        return INPUT_LOOK
    return LOOKS.get(operator) or Look(operator, operator[:2], "#5b6472", "#ffffff", "square")

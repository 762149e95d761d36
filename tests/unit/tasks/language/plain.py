"""The recurrent cell and its training rules once more, in NumPy, as plainly as the paper writes them.

Shapes: T time steps, B batch, X input width, N hidden width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from autoshrink.cells.cell import Cell

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-x))


ACTIVATIONS: dict[str, Any] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "identity": lambda x: x,
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * special.ndtr(x),
    "sin": np.sin,
}


def step(cell: Cell, x_BX: Array, h_BN: Array, W0: Array, W: dict[tuple[int, int], Array], mask_BN: Array) -> Array:
    """One time step of the cell; W0 is (X + N, 2N), each W[i, j] (N, 2N)."""
    width = h_BN.shape[1]
    product = np.concatenate([x_BX, h_BN * mask_BN], axis=1) @ W0
    c0, h0 = product[:, :width], product[:, width:]
    s = {0: h_BN + sigmoid(c0) * (np.tanh(h0) - h_BN)}
    for j in cell.nodes[1:]:
        candidates = []
        for i in cell.predecessors(j):
            product_BG = (s[i] * mask_BN) @ W[i, j]
            c, h = product_BG[:, :width], product_BG[:, width:]
            candidates.append(s[i] + sigmoid(c) * (ACTIVATIONS[cell.operator(j)](h) - s[i]))
        s[j] = np.mean(np.stack(candidates), axis=0)
    result: Array = np.mean(np.stack([s[leaf] for leaf in cell.leaves]), axis=0)
    return result


def averaged_sgd(start: Array, gradients: list[Array], rates: list[float], decay: float) -> tuple[Array, Array]:
    """Return the last iterate and the average of all iterates but the first (torch's and Merity's off-by-one)."""
    weight, iterates = start.copy(), []
    for gradient, rate in zip(gradients, rates, strict=True):
        weight = weight - rate * (gradient + decay * weight)
        iterates.append(weight)
    kept = iterates[1:] or iterates
    mean: Array = np.mean(kept, axis=0)
    return weight, mean

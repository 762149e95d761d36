"""The recurrent cell against its plain re-statement, and its fused form against its plain form."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.runtime import seeds
from autoshrink.tasks.language.cell import RecurrentCell

from . import plain

ACTIVATIONS = ("relu", "sigmoid", "tanh", "identity", "silu", "gelu", "sin")
X, N, B = 3, 5, 2
RELEASED = Cell.of(
    ("identity", "sigmoid", "sigmoid", "tanh", "identity"),
    [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5)],
)
CELLS = {
    "empty": Cell.of((), ()),
    **{name: Cell.of((name,), [(0, 1)]) for name in ACTIVATIONS},
    "chain": Cell.of(ACTIVATIONS, [(node, node + 1) for node in range(7)]),
    "star": Cell.of(ACTIVATIONS, [(0, node) for node in range(1, 8)]),
    "complete": Cell.complete(ACTIVATIONS),
    "gaps": Cell((0, 2, 5), ("input", "tanh", "relu"), ((0, 2), (0, 5))),
    "released": RELEASED,
}


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Draw any pruned cell of up to six nodes."""
    operators = draw(st.lists(st.sampled_from(ACTIVATIONS), max_size=5))
    pairs = list(itertools.combinations(range(len(operators) + 1), 2))
    return Cell.of(operators, draw(st.sets(st.sampled_from(pairs))) if pairs else ()).pruned()


def layer(cell: Cell) -> RecurrentCell:
    """Return the cell's module with weights large enough to matter, in double precision."""
    module = RecurrentCell(cell, X, N).double()
    for name, parameter in module.named_parameters():
        torch.nn.init.uniform_(parameter, -1.0, 1.0, generator=seeds.torch_generator(1, name))
    return module


def draw(name: str, *shape: int) -> Tensor:
    """Return a normal tensor that belongs to ``name``."""
    return torch.randn(shape, generator=seeds.torch_generator(2, name), dtype=torch.float64)


def plain_outputs(module: RecurrentCell, x_TBX: Tensor, h_BN: Tensor, mask_BN: Tensor | None) -> list[plain.Array]:
    """Run the NumPy cell with the module's weights."""
    W0 = torch.cat([module.input.weight, module.recurrent], 1).detach().numpy().T
    W = {edge: module.edge_weight(*edge).detach().numpy() for edge in module.cell.edges}
    mask = np.ones((B, N)) if mask_BN is None else mask_BN.numpy()
    state, outputs = h_BN.numpy(), []
    for x_BX in x_TBX.numpy():
        state = plain.step(module.cell, x_BX, state, W0, W, mask)
        outputs.append(state)
    return outputs


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", CELLS)
def test_the_cell_computes_the_papers_equations(name: str, steps: int, masked: bool) -> None:
    """Every activation, one step and several, with and without the hidden mask, equal the NumPy statement."""
    module = layer(CELLS[name])
    x_TBX, h_BN = draw("x", steps, B, X), draw("h", B, N)
    mask_BN = (draw("mask", B, N) > 0).double() * 2 if masked else None
    expected = np.stack(plain_outputs(module, x_TBX, h_BN, mask_BN))
    with torch.no_grad():
        assert np.allclose(module(x_TBX, h_BN, mask_BN).numpy(), expected, rtol=0, atol=1e-12)
        assert np.allclose(module.step(x_TBX[0], h_BN, mask_BN).numpy(), expected[0], rtol=0, atol=1e-12)


@given(cell=cells(), masked=st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_fused_form_and_its_gradients_equal_the_plain_form(cell: Cell, masked: bool) -> None:
    """For any cell, outputs and the gradients of input, state and all weights agree with autograd on plain steps."""
    module = layer(cell)
    x_TBX, h_BN = draw("x", 4, B, X).requires_grad_(), draw("h", B, N).requires_grad_()
    mask_BN = (draw("mask", B, N) > 0).double() * 2 if masked else None
    upstream_TBN = draw("upstream", 4, B, N)
    wanted = [x_TBX, h_BN, *module.parameters()]
    fused_TBN = module(x_TBX, h_BN, mask_BN)
    fused = torch.autograd.grad(fused_TBN, wanted, upstream_TBN)
    state_BN, outputs = h_BN, []
    for x_BX in x_TBX:
        state_BN = module.step(x_BX, state_BN, mask_BN)
        outputs.append(state_BN)
    plain_TBN = torch.stack(outputs)
    expected = torch.autograd.grad(plain_TBN, wanted, upstream_TBN)
    torch.testing.assert_close(fused_TBN, plain_TBN, rtol=0, atol=1e-12)
    for found, wanted_gradient in zip(fused, expected, strict=True):
        torch.testing.assert_close(found, wanted_gradient, rtol=0, atol=1e-11)


def test_single_precision_stays_close_to_the_equations() -> None:
    """In float32, forward and gradients of the released cell agree with double precision to rounding."""
    exact, single = layer(RELEASED), layer(RELEASED).float()
    x_TBX, h_BN, upstream_TBN = draw("x", 35, B, X), draw("h", B, N), draw("upstream", 35, B, N)
    exact(x_TBX, h_BN).backward(upstream_TBN)
    single(x_TBX.float(), h_BN.float()).backward(upstream_TBN.float())
    for one, other in zip(exact.parameters(), single.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        scale = float(one.grad.abs().max())
        torch.testing.assert_close(other.grad.double(), one.grad, rtol=0, atol=1e-4 * scale)


def test_sequences_chained_by_their_state_equal_one_long_sequence() -> None:
    """The last output is all the state there is."""
    module = layer(CELLS["complete"])
    x_TBX, h_BN = draw("x", 6, B, X), draw("h", B, N)
    with torch.no_grad():
        whole_TBN = module(x_TBX, h_BN)
        first_TBN = module(x_TBX[:2], h_BN)
        second_TBN = module(x_TBX[2:], first_TBN[-1])
    torch.testing.assert_close(torch.cat([first_TBN, second_TBN]), whole_TBN, rtol=0, atol=1e-13)


def test_one_matrix_serves_all_edges_of_a_source() -> None:
    """The released cell has one weight per source node with edges, and none for its leaves."""
    module = RecurrentCell(RELEASED, X, N)
    shapes = {name: tuple(weight.shape) for name, weight in module.edges.items()}
    assert shapes == {"0": (10 * N, N), "1": (6 * N, N), "2": (4 * N, N), "3": (4 * N, N)}


def test_an_image_operator_is_refused() -> None:
    """A cell of the other task is an error that names the operator and what is accepted."""
    with pytest.raises(UserError, match=r"'conv_1x1' is none of a recurrent cell; accepted: relu, sigmoid"):
        RecurrentCell(Cell.complete(["conv_1x1"]), X, N)

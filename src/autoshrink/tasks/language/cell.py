"""The recurrent cell (paper, section 4.2; after DARTS), as a module of its own.

Shapes: T time steps, B batch, X width of the cell's input, N hidden width, D outgoing edges of one source.
"""

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.params.search import Activation
from autoshrink.runtime.products import linear
from autoshrink.tasks.language import recurrent

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda x: x,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "sin": torch.sin,
}


class RecurrentCell(nn.Module):
    """A recurrent layer of one cell, without biases. Its parameters, for every source node i with D outgoing edges:

    ``input.weight`` (2N, X) and ``recurrent`` (2N, N), together W0 transposed; ``edges.i`` (2DN, N), all W_ij
    transposed: the gates' rows of each target, then the candidates', targets in the order of ``plan``. Raises
    UserError for an operator that is no activation.
    """

    def __init__(self, cell: Cell, input_width: int, width: int) -> None:
        super().__init__()
        for name in cell.operators[1:]:
            if name not in FUNCTIONS:
                accepted = ", ".join(get_args(Activation))
                raise UserError(f"the cell's operator {name!r} is none of a recurrent cell; accepted: {accepted}")
        self.plan = recurrent.Plan.of(cell)
        self.cell = cell
        self.width = self.state_width = width
        self.input = nn.Linear(input_width, 2 * width, bias=False)
        self.recurrent = nn.Parameter(torch.empty(2 * width, width))
        self.edges = nn.ParameterDict(
            {
                str(source.node): nn.Parameter(torch.empty(2 * len(source.targets) * width, width))
                for source in self.plan.sources
            }
        )
        self.reset_parameters()

    def reset_parameters(self, bound: float = 0.04) -> None:
        """Draw every weight uniformly in plus or minus ``bound`` (paper, section 5.2), from the global generator.

        For use of the cell as a module by itself; ``network.build`` draws each weight by name instead.
        """
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x_TBX: Tensor, state_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Return the outputs (T, B, N) of all time steps from ``state_BN``; the last one is the next state.

        ``mask_BN``, already scaled, is the hidden state's variational dropout.
        """
        projected_MG = linear(x_TBX.flatten(0, 1), self.input.weight)
        projected_TGB = projected_MG.view(*x_TBX.shape[:2], -1).transpose(1, 2)
        mask_NB = None if mask_BN is None else mask_BN.t().contiguous()
        weights = [self.recurrent, *self.edges.values()]
        outputs_TNB = recurrent.run(self.plan, projected_TGB, state_BN.t().contiguous(), mask_NB, weights)
        return outputs_TNB.transpose(1, 2)

    def run(self, x_TBX: Tensor, state_BN: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (T, B, N) and the next state, as every recurrent layer does."""
        outputs_TBN: Tensor = self(x_TBX, state_BN, mask_BN)
        return outputs_TBN, outputs_TBN[-1]

    def advance(self, x_BX: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the next state, which are one, after one input, as every recurrent layer does."""
        state_BN = self.step(x_BX, state_BN)
        return state_BN, state_BN

    def step(self, x_BX: Tensor, state_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Return the next state after one input, in the plainest form: what exporters trace and tests compare with."""

        def masked(s_BN: Tensor) -> Tensor:
            return s_BN if mask_BN is None else s_BN * mask_BN

        gate_BN, candidate_BN = (self.input(x_BX) + masked(state_BN) @ self.recurrent.t()).chunk(2, -1)
        states = {0: state_BN + gate_BN.sigmoid() * (candidate_BN.tanh() - state_BN)}
        arrivals: dict[int, list[Tensor]] = {node: [] for node in self.cell.nodes}
        for source in self.plan.sources:
            if source.node:
                states[source.node] = _mean(arrivals[source.node])
            s_BN = states[source.node]
            product_BDG = masked(s_BN) @ self.edges[str(source.node)].t()
            gates, candidates = (half.split(self.width, -1) for half in product_BDG.chunk(2, -1))
            for target, c_BN, h_BN in zip(source.targets, gates, candidates, strict=True):
                function = FUNCTIONS[self.cell.operator(target)]
                arrivals[target].append(s_BN + c_BN.sigmoid() * (function(h_BN) - s_BN))
        return _mean([_mean(arrivals[leaf]) if leaf else states[0] for leaf in self.cell.leaves])

    def edge_weight(self, source: int, target: int) -> Tensor:
        """Return W_ij (N, 2N) as the paper writes it: [c, h] = s_i W_ij."""
        plan = next(item for item in self.plan.sources if item.node == source)
        weight_VDNN = self.edges[str(source)].view(2, len(plan.targets), self.width, self.width)
        weight_GN: Tensor = weight_VDNN[:, plan.targets.index(target)].reshape(2 * self.width, self.width)
        return weight_GN.t()


def _mean(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.stack(tensors).mean(0)

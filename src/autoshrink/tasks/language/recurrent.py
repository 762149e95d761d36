"""Forward and backward passes of a recurrent cell over many time steps, in few large operations.

Everything is feature-major, so that each source node needs one matrix product for all its outgoing edges, and each
edge's gate and candidate are contiguous rows of it. The backward pass is written out: derivatives of all time steps
are taken at once after the forward loop, and so are the weights' gradients after the backward loop; inside the loops
only what truly depends on the step before is left. ``cell.RecurrentCell.step`` states the same equations plainly, and
the tests hold the two together.

Shapes: T time steps, B batch, N hidden width, D outgoing edges of one source, E edges, S source nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autoshrink.cells.cell import Cell
from autoshrink.runtime.products import multiply, product

# Rows of a source's product: all gates, then the candidates in this order of activation, so that the gates' sigmoid
# and the sigmoid candidates are one range.
IN_PLACE = ("sigmoid", "tanh", "relu")
# Their derivatives do not follow from their values: rows keep what they were given, and a step's values are scratch.
RAW = ("silu", "gelu", "sin")
ACTIVATIONS = (*IN_PLACE, "identity", *RAW)


@dataclass(frozen=True)
class Source:
    """One node with outgoing edges: where its edges lie among all edges, and which rows each activation takes."""

    node: int
    targets: tuple[int, ...]
    """The nodes it feeds, ordered by activation, then number."""
    first: int
    """Position of its first edge among all edges."""
    activations: tuple[str, ...]
    """Each target's activation."""

    @property
    def ranges(self) -> list[tuple[str, int, int]]:
        """(activation, first, end) among the rows [gates, candidates] of its edges; the gates' sigmoid comes first."""
        degree = len(self.targets)
        counts = [(name, self.activations.count(name)) for name in IN_PLACE]
        result, first = [], degree
        for name, count in counts:
            start = 0 if name == "sigmoid" else first
            first += count
            if first > start:
                result.append((name, start, first))
        return result

    @property
    def raw(self) -> list[tuple[str, int, int]]:
        """(activation, first, end) among its edges, of those whose rows keep what the activation was given."""
        found = [name for name in RAW if name in self.activations]
        return [(name, (first := self.activations.index(name)), first + self.activations.count(name)) for name in found]


@dataclass(frozen=True)
class Plan:
    """The order in which a cell is computed: a pure function of the cell."""

    sources: tuple[Source, ...]
    edges: tuple[tuple[int, int], ...]
    """All edges in computing order: by source, then as ``Source.targets``."""
    leaves: tuple[int, ...]
    state_weights: tuple[tuple[float, ...], ...]
    """For each source but node 0, the weights over the edges before it whose sum is its state (a mean)."""
    output_weights: tuple[float, ...]
    """The weights over all edges whose sum is the output: the mean over leaves of each leaf's mean."""
    gradient_weights: tuple[float, ...]
    """What an edge's value counts in its target's state, or in the output where the target is a leaf."""
    gradient_rows: tuple[tuple[int, ...], ...]
    """For each source, where each target's gradient is kept: the target's position among sources, or S for a leaf."""

    @classmethod
    def of(cls, cell: Cell) -> "Plan":
        """Return the plan of a pruned cell."""
        assert cell.is_pruned, "nodes that node 0 does not reach have no state"
        sources: list[Source] = []
        edges: list[tuple[int, int]] = []
        for node in cell.nodes:
            targets = sorted(
                cell.successors(node), key=lambda target: (ACTIVATIONS.index(cell.operator(target)), target)
            )
            if not targets:
                continue
            activations = tuple(cell.operator(target) for target in targets)
            sources.append(Source(node, tuple(targets), len(edges), activations))
            edges += [(node, target) for target in targets]
        position = {source.node: index for index, source in enumerate(sources)}
        share = {node: 1.0 / max(len(cell.predecessors(node)), 1) for node in cell.nodes}
        leaf_share = 1.0 / len(cell.leaves)
        value = tuple(share[target] * (leaf_share if target in cell.leaves else 1.0) for _, target in edges)
        return cls(
            sources=tuple(sources),
            edges=tuple(edges),
            leaves=cell.leaves,
            state_weights=tuple(
                tuple(share[source.node] if target == source.node else 0.0 for _, target in edges[: source.first])
                for source in sources[1:]
            ),
            output_weights=tuple(
                weight if target in cell.leaves else 0.0 for (_, target), weight in zip(edges, value, strict=True)
            ),
            gradient_weights=value,
            gradient_rows=tuple(
                tuple(position.get(target, len(sources)) for target in source.targets) for source in sources
            ),
        )


def run(plan: Plan, projected_TGB: Tensor, state_NB: Tensor, mask_NB: Tensor | None, weights: list[Tensor]) -> Tensor:
    """Return the outputs (T, N, B) of T time steps of the cell from ``state_NB``; differentiable once.

    ``projected_TGB`` is the input's part of [c0, h0], (T, 2N, B); ``weights`` are W0's recurrent part (2N, N) and,
    for each source, its edges' (2DN, N); ``mask_NB`` multiplies every node's state before every matrix (None: no
    dropout).
    """
    outputs_TNB: Tensor = _Recurrence.apply(plan, projected_TGB, state_NB, mask_NB, *weights)
    return outputs_TNB


class _Recurrence(torch.autograd.Function):
    """Forward and backward over all time steps. Saved: what each product gave and was given."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, projected_TGB: Tensor, state_NB: Tensor, mask_NB: Tensor | None, *weights: Tensor
    ) -> Tensor:
        steps, _, batch = projected_TGB.shape
        width = state_NB.shape[0]
        outputs_TNB = state_NB.new_empty(steps, width, batch)
        previous_TNB = state_NB.new_empty(steps, width, batch)
        # [gates, candidates] of node 0 from h, then of each source's edges
        degrees = [1, *(len(source.targets) for source in plan.sources)]
        values = [state_NB.new_empty(steps, 2, degree, width, batch) for degree in degrees]
        states = [state_NB.new_empty(steps, width, batch) for _ in plan.sources] or [outputs_TNB]
        inputs = [previous_TNB, *states[: len(plan.sources)]]
        masked = inputs if mask_NB is None else [torch.empty_like(state_TNB) for state_TNB in inputs]
        edges_ENB = state_NB.new_empty(len(plan.edges), width, batch)
        edges_ME = edges_ENB.flatten(1).t()

        # views are made here, once, because making one costs as much as a small operation
        previous, outputs = previous_TNB.unbind(), outputs_TNB.flatten(1).unbind()
        projections, first_states = projected_TGB.unbind(), states[0].unbind()
        products = [value.flatten(1, 3).unbind() for value in values]
        gates, candidates = ([value[:, part].unbind() for value in values] for part in (0, 1))
        inputs_t, masked_t = ([tensor.unbind() for tensor in tensors] for tensors in (inputs, masked))
        sources = []
        for index, source in enumerate(plan.sources, 1):
            flat_TDNB = values[index].flatten(1, 2)
            activations = [(_IN_PLACE[name], flat_TDNB[:, first:end].unbind()) for name, first, end in source.ranges]
            mean = None
            if index > 1:
                weights_E = _constant(plan.state_weights[index - 2], state_NB.dtype, state_NB.device)
                mean = edges_ME[:, : source.first], weights_E, states[index - 1].flatten(1).unbind()
            own_edges_DNB = edges_ENB[source.first : source.first + degrees[index]]
            # what is joined at once: the edges whose candidates replaced their rows, then those of each raw activation
            kept = source.raw[0][1] if source.raw else degrees[index]
            gates_TDNB, candidates_TDNB = values[index].unbind(1)
            parts = [(own_edges_DNB[:kept], gates_TDNB[:, :kept].unbind(), candidates_TDNB[:, :kept].unbind())]
            raw = []
            for name, first, end in source.raw:
                value_DNB = state_NB.new_empty(end - first, width, batch)
                raw.append((_INTO[name], candidates_TDNB[:, first:end].unbind(), value_DNB))
                parts.append((own_edges_DNB[first:end], gates_TDNB[:, first:end].unbind(), (value_DNB,) * steps))
            parts = [part for part in parts if len(part[0])]
            sources.append((index, weights[index], mean, activations, raw, parts))
        output_weights_E = _constant(plan.output_weights, state_NB.dtype, state_NB.device)

        for step in range(steps):
            previous[step].copy_(state_NB)
            if mask_NB is not None:
                torch.mul(state_NB, mask_NB, out=masked_t[0][step])
            multiply(weights[0], masked_t[0][step], products[0][step])
            products[0][step].add_(projections[step])
            gates[0][step].sigmoid_()
            candidates[0][step].tanh_()
            torch.lerp(state_NB, candidates[0][step][0], gates[0][step][0], out=first_states[step])
            for index, weight, mean, activations, raw, parts in sources:
                if mean is not None:
                    torch.mv(mean[0], mean[1], out=mean[2][step])
                if mask_NB is not None:
                    torch.mul(inputs_t[index][step], mask_NB, out=masked_t[index][step])
                multiply(weight, masked_t[index][step], products[index][step])
                for activate, rows in activations:
                    activate(rows[step])
                for into, rows, value_DNB in raw:
                    into(rows[step], out=value_DNB)
                for edges_DNB, gate, candidate in parts:
                    torch.lerp(inputs_t[index][step], candidate[step], gate[step], out=edges_DNB)
            if sources:
                torch.mv(edges_ME, output_weights_E, out=outputs[step])
            state_NB = outputs_TNB[step]

        ctx.plan, ctx.mask_NB = plan, mask_NB
        ctx.save_for_backward(*weights, *values, *inputs, *masked)
        return outputs_TNB

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_TNB: Tensor) -> Any:
        plan, mask_NB = ctx.plan, ctx.mask_NB
        count = len(plan.sources) + 1
        saved = ctx.saved_tensors
        weights, values, inputs, masked = (saved[part * count : (part + 1) * count] for part in range(4))
        steps, width, batch = gradient_TNB.shape

        shares = [_constant((1.0,), gradient_TNB.dtype, gradient_TNB.device)]
        names: list[tuple[str, ...]] = [("tanh",)]
        for source in plan.sources:
            end = source.first + len(source.targets)
            share = plan.gradient_weights[source.first : end]
            shares.append(_constant(share, gradient_TNB.dtype, gradient_TNB.device))
            names.append(source.activations)
        # derivatives of [product's gates, product's candidates, state] by the edge's value, times the edge's share;
        # the loop turns them into gradients in place
        factors = [
            _factors(value, state_TNB, share_D, activations)
            for value, state_TNB, share_D, activations in zip(values, inputs, shares, names, strict=True)
        ]
        factors_t = [factor.unbind() for factor in factors]
        products = [[part.view(-1, batch) for part in factor[:, :2].unbind()] for factor in factors]
        kept = [factor[:, 2].unbind() for factor in factors]
        transposed = [weight.t() for weight in weights]
        gradients_SNB = gradient_TNB.new_empty(count, width, batch)  # of each source's state; last, of the output
        targets = [_rows(gradients_SNB, rows) for rows in plan.gradient_rows]
        carried_NB = torch.zeros_like(gradients_SNB[0])

        def through(index: int, step: int, out_NB: Tensor) -> None:
            """Add up what one state gets from its edges: what they kept of it, and through its product."""
            torch.sum(kept[index][step], 0, out=out_NB)
            if mask_NB is None:
                out_NB.add_(product(transposed[index], products[index][step]))
            else:
                out_NB.addcmul_(product(transposed[index], products[index][step]), mask_NB)

        for step in reversed(range(steps)):
            torch.add(gradient_TNB[step], carried_NB, out=gradients_SNB[-1])
            for index in range(count - 1, 0, -1):
                rows_DNB, chosen_D = targets[index - 1]
                if chosen_D is not None:
                    torch.index_select(gradients_SNB, 0, chosen_D, out=rows_DNB)
                factors_t[index][step].mul_(rows_DNB)
                through(index, step, gradients_SNB[index - 1])
            factors_t[0][step].mul_(gradients_SNB[0])
            through(0, step, carried_NB)

        weight_gradients = [
            product(_rows_first(factor[:, :2].flatten(1, 3)), _rows_first(state_TNB).t())
            for factor, state_TNB in zip(factors, masked, strict=True)
        ]
        return None, factors[0][:, :2].flatten(1, 3), carried_NB, None, *weight_gradients


_IN_PLACE = {"sigmoid": torch.sigmoid_, "tanh": torch.tanh_, "relu": torch.relu_}
_INTO: dict[str, Callable[..., Any]] = {
    "silu": torch.ops.aten.silu.out,
    "gelu": torch.ops.aten.gelu.out,
    "sin": torch.sin,
}


def _factors(values_TVDNB: Tensor, state_TNB: Tensor, share_D: Tensor, activations: tuple[str, ...]) -> Tensor:
    """Return (T, 3, D, N, B): an edge's share times the derivatives of state + gate (candidate - state).

    By the gate before its sigmoid, by the candidate before its activation, and by the state itself.
    """
    gates_TDNB, candidates_TDNB = values_TVDNB.unbind(1)
    factors_TVDNB = values_TVDNB.new_empty(values_TVDNB.shape[0], 3, *values_TVDNB.shape[2:])
    by_gate, by_candidate, by_state = factors_TVDNB.unbind(1)
    torch.sub(1.0, gates_TDNB, out=by_state)
    torch.sub(candidates_TDNB, state_TNB[:, None], out=by_gate)
    for edge, name in enumerate(activations):
        if name in RAW:
            _INTO[name](candidates_TDNB[:, edge], out=by_gate[:, edge])
            by_gate[:, edge].sub_(state_TNB)
    by_gate.mul_(gates_TDNB).mul_(by_state)
    for edge, name in enumerate(activations):
        gate, candidate, out = gates_TDNB[:, edge], candidates_TDNB[:, edge], by_candidate[:, edge]
        if name == "sigmoid":
            torch.ops.aten.sigmoid_backward.grad_input(gate, candidate, grad_input=out)
        elif name == "tanh":
            torch.ops.aten.tanh_backward.grad_input(gate, candidate, grad_input=out)
        elif name == "relu":
            torch.mul(gate, candidate > 0, out=out)
        elif name == "silu":
            torch.ops.aten.silu_backward.grad_input(gate, candidate, grad_input=out)
        elif name == "gelu":
            torch.ops.aten.gelu_backward.grad_input(gate, candidate, grad_input=out)
        elif name == "sin":
            torch.mul(gate, torch.cos(candidate), out=out)
        else:
            out.copy_(gate)
    return factors_TVDNB.mul_(share_D[:, None, None])


def _rows_first(tensor_TGB: Tensor) -> Tensor:
    """Return the tensor as (G, T B), contiguous."""
    return tensor_TGB.transpose(0, 1).flatten(1)


def _rows(gradients_SNB: Tensor, rows: tuple[int, ...]) -> tuple[Tensor, Tensor | None]:
    """Return a source's targets' gradients: a view where the rows allow one, else a buffer and the rows to gather."""
    if len(set(rows)) == 1:
        return gradients_SNB[rows[0]].expand(len(rows), -1, -1), None
    if rows == tuple(range(rows[0], rows[0] + len(rows))):
        return gradients_SNB[rows[0] : rows[0] + len(rows)], None
    return gradients_SNB.new_empty(len(rows), *gradients_SNB.shape[1:]), _constant(
        rows, torch.long, gradients_SNB.device
    )


@cache  # without end: a captured graph goes on reading the tensor
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values as a tensor; kept, because a copy from the host waits and no graph can hold one."""
    return torch.tensor(values, dtype=dtype, device=device)

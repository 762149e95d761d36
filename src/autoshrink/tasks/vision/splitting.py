"""Splitting steepest descent (Liu, Wu and Wang, "Splitting steepest descent for growing neural architectures", NeurIPS
2019): splits alone, chosen at second order.

To first order a split does nothing. Splitting a neuron's weights w into w + d and w - d changes the loss by half of
d' S d, where S, the neuron's splitting matrix, is the Hessian of the loss over d, and zero between neurons. So the best
direction is the eigenvector of S with the smallest eigenvalue, and only a negative one promises anything. It is found
without S, from products S d (after D. Wang et al., "Energy-aware neural architecture optimization with fast splitting
steepest descent", 2019): descent on the Rayleigh quotient with a step of one over the greatest |S d| / |d| seen.

Shapes: G gates, B batch, C channels, H height, W width, O and I a layer's outputs and inputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.params.vision import ImageNetwork
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.growth import Candidates
from autoshrink.tasks.vision.overgrown import Layer, Objective

CURVATURE = 3.0  # beta of the softplus whose second derivative stands for ReLU's, as the authors' code has it
LENGTH = 0.5  # of a direction at gate 1, as a share of its neuron's weights


class Splits(Candidates):
    """A network with a split of every neuron attached, whose gains are of second order."""

    def __init__(
        self,
        cell: Cell,
        network: ImageNetwork,
        channels: int,
        classes: int,
        state: Mapping[str, Tensor],
        seed: int,
        device: torch.device,
    ) -> None:
        """Attach them, with directions drawn at random."""
        super().__init__(cell, network, channels, classes, state, 0, seed, device)
        for part in self.module.modules():
            if isinstance(getattr(part, "activation", None), nn.ReLU):
                part.activation = CurvedReLU()
        self._split = [layer for layer in self.layers if layer.splits and bool((layer.outputs.sign > 0).any())]
        for layer in self._split:
            assert layer.inputs is not None
            used_I = torch.zeros_like(self.directions[layer.name][:1])
            used_I[:, layer.inputs.share] = 1.0
            self.directions[layer.name] = self.directions[layer.name] * used_I
            self._normalise(layer)

    def tune(self, batches: Iterable[Batch], objective: Objective) -> None:
        """Turn every direction towards its splitting matrix's eigenvector of the smallest eigenvalue."""
        greatest = [torch.zeros(()) for _ in self._split]
        for batch in batches:
            products = self._products(batch, objective)
            for number, (layer, product) in enumerate(zip(self._split, products, strict=True)):
                direction = self.directions[layer.name]
                ratio_O = _norms(product) / _norms(direction).clamp(min=1e-12)
                greatest[number] = torch.maximum(greatest[number].to(ratio_O.device), ratio_O)
                steps_O = 1 / greatest[number].clamp(min=1e-12)
                self.directions[layer.name] = direction - steps_O.view(-1, 1, 1, 1) * product
                self._normalise(layer)

    def gains(self, batches: Sequence[Batch], objective: Objective) -> list[float]:
        """Return by how much each split, at gate 1, is predicted to lower the loss: minus half of d' S d."""
        total_G = torch.zeros(self.count, dtype=torch.float64, device=self.device)
        for batch in batches:
            for layer, product in zip(self._split, self._products(batch, objective), strict=True):
                curvature_O = (self.directions[layer.name] * product).flatten(1).sum(1)
                rows_O = _rows(layer)
                total_G[layer.outputs.gate[rows_O]] -= curvature_O[: len(rows_O)].double() / 2
        found: list[float] = (total_G / len(batches)).tolist()
        return found

    def predicted(self, gain: float, size: float) -> float:
        """Return the gain that is predicted at a gate of another size: of second order."""
        return gain * size**2

    def _products(self, batch: Batch, objective: Objective) -> list[Tensor]:
        """Return S d of every neuron, layer by layer, on one batch."""
        x_BCHW, targets_B = batch
        kept = dict(self.directions)
        zeros = [torch.zeros_like(kept[layer.name], requires_grad=True) for layer in self._split]
        self.directions |= {layer.name: zero for layer, zero in zip(self._split, zeros, strict=True)}
        try:
            loss = objective(self.outputs(self.gates(1.0), x_BCHW), targets_B)
        finally:
            self.directions = kept
        slopes = torch.autograd.grad(loss, zeros, create_graph=True)
        along = [(slope * kept[layer.name]).sum() for layer, slope in zip(self._split, slopes, strict=True)]
        return list(torch.autograd.grad(torch.stack(along).sum(), zeros))

    def _weight(self, layer: Layer) -> Tensor:
        return self.state[f"{layer.name}.weight"]

    def _normalise(self, layer: Layer) -> None:
        """Give each direction ``LENGTH`` times the length of its neuron's weights."""
        direction, lengths_O = self.directions[layer.name], LENGTH * _norms(self._weight(layer))
        factors_O = torch.zeros_like(direction[:, 0, 0, 0])
        factors_O[: len(lengths_O)] = lengths_O
        self.directions[layer.name] = direction * (factors_O / _norms(direction).clamp(min=1e-12)).view(-1, 1, 1, 1)


class CurvedReLU(nn.Module):
    """ReLU with its own derivative and a softplus's second one; its own is zero almost everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        y: Tensor = _ReLU.apply(x)
        return y


class _ReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        step: Tensor = _Step.apply(x)
        return gradient * step


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = torch.sigmoid(CURVATURE * x)
        return gradient * CURVATURE * slope * (1 - slope)


def _rows(layer: Layer) -> Tensor:
    """Return the channels of a layer's outputs that are split: the network's own."""
    return torch.nonzero(layer.outputs.sign > 0).flatten()


def _norms(weights: Tensor) -> Tensor:
    """Return the length of each output's weights (O,)."""
    lengths_O: Tensor = torch.linalg.vector_norm(weights.flatten(1), dim=1)
    return lengths_O

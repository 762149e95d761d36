"""Decoder and cross-entropy fused, one slice of the logits at a time.

A batch's logits over a large vocabulary are a language model's largest tensor, and kept they exist three times: as
logits, as log-probabilities and as their gradient. Here each slice of rows gives its loss and, at once, its share of
the gradients (as in Wijmans et al. 2024, "Cut your losses in large-vocabulary language models").

Shapes: M predictions, N hidden width, V vocabulary, R rows of one slice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autoshrink.runtime.products import multiply, product

SLICE = 2**22
"""Logits held at a time: 16 MiB in single precision, which a CPU's cache hierarchy and a GPU both serve well."""


def cross_entropy(hidden_MN: Tensor, weight_VN: Tensor, bias_V: Tensor, targets_M: Tensor) -> Tensor:
    """Return the mean of -log softmax(hidden @ weight.T + bias) at the targets, nats; differentiable once."""
    loss: Tensor = _CrossEntropy.apply(hidden_MN, weight_VN, bias_V, targets_M, torch.is_grad_enabled())
    return loss


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_MN: Tensor, weight_VN: Tensor, bias_V: Tensor, targets_M: Tensor, differentiate: bool
    ) -> Tensor:
        count, vocabulary = len(hidden_MN), len(weight_VN)
        rows = max(1, min(count, SLICE // vocabulary))
        hidden_MN = hidden_MN.contiguous()
        losses_M = hidden_MN.new_empty(count)
        logits_RV = hidden_MN.new_empty(rows, vocabulary)
        gradients: tuple[Tensor, ...] = ()
        if differentiate:
            gradients = (torch.empty_like(hidden_MN), torch.zeros_like(weight_VN), torch.zeros_like(bias_V))
        for first in range(0, count, rows):
            part = slice(first, min(first + rows, count))
            slice_RV = logits_RV[: part.stop - first]
            at_R1 = targets_M[part, None]
            multiply(hidden_MN[part], weight_VN.t(), slice_RV)
            slice_RV += bias_V
            normaliser_R1 = slice_RV.logsumexp(1, keepdim=True)
            losses_M[part] = (normaliser_R1 - slice_RV.gather(1, at_R1)).squeeze(1)
            if gradients:
                slice_RV.sub_(normaliser_R1).exp_()
                slice_RV.scatter_add_(1, at_R1, slice_RV.new_full((1, 1), -1.0).expand_as(at_R1))
                slice_RV /= count
                multiply(slice_RV, weight_VN, gradients[0][part])
                gradients[1].add_(product(slice_RV.t(), hidden_MN[part]))
                gradients[2].add_(slice_RV.sum(0))
        ctx.save_for_backward(*gradients)
        return losses_M.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return (*(part * gradient for part in ctx.saved_tensors), None, None)

"""Matrix products that are fast and portable on a CPU: OpenBLAS's, which comes with numpy.

MKL, torch's own, gives Intel's and AMD's CPUs the same bits only in a mode that takes two to four times as long;
OpenBLAS pinned to its AVX2 kernels does everywhere (``runtime.numerics``). On other devices the products are torch's.

Shapes: M rows, K summed over, N columns.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable


def multiply(left_MK: Tensor, right_KN: Tensor, out_MN: Tensor) -> None:
    """Write ``left @ right`` to ``out``. Both may be transposed views; nothing is recorded for autograd."""
    if left_MK.is_cpu:
        _dot(left_MK.detach().numpy(), right_KN.detach().numpy(), out_MN.detach().numpy())
    else:
        torch.mm(left_MK, right_KN, out=out_MN)


def product(left_MK: Tensor, right_KN: Tensor) -> Tensor:
    """Return ``left @ right``; nothing is recorded for autograd."""
    out_MN = left_MK.new_empty(left_MK.shape[0], right_KN.shape[1])
    multiply(left_MK, right_KN, out_MN)
    return out_MN


def linear(x_MK: Tensor, weight_NK: Tensor) -> Tensor:
    """Return ``x @ weight.T``, differentiable once: ``torch.nn.functional.linear`` without a bias."""
    result: Tensor = _Linear.apply(x_MK, weight_NK)
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_MK: Tensor, weight_NK: Tensor) -> Tensor:
        ctx.save_for_backward(x_MK, weight_NK)
        return product(x_MK, weight_NK.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_MN: Tensor) -> Any:
        x_MK, weight_NK = ctx.saved_tensors
        gradient_MN = gradient_MN.contiguous()
        needs_x, needs_weight = ctx.needs_input_grad
        return (
            product(gradient_MN, weight_NK) if needs_x else None,
            product(gradient_MN.t(), x_MK) if needs_weight else None,
        )


@np.errstate(over="ignore", under="ignore", invalid="ignore")  # a training that diverges overflows, as in torch
def _dot(left_MK: NDArray[Any], right_KN: NDArray[Any], out_MN: NDArray[Any]) -> None:
    np.dot(left_MK, right_KN, out=out_MN)

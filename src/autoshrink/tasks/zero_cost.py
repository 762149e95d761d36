"""Zero-cost measures of untrained networks, from at most one batch and one backward pass.

naswot: J. Mellor, J. Turner, A. Storkey and E. J. Crowley, "Neural architecture search without training", ICML 2021.
The log-determinant of how alike images look to the network's ReLUs; more different is better.

synflow: H. Tanaka, D. Kunin, D. Yamins and S. Ganguli, "Pruning neural networks without any data by iteratively
conserving synaptic flow", NeurIPS 2020; as a sum over parameters, M. Abdelfattah et al., "Zero-cost proxies for
lightweight NAS", ICLR 2021. Here its logarithm, since it spans many orders of magnitude.

gradient_norm: Abdelfattah et al. 2021. The sum over parameters of their gradient's norm after one batch.

Shapes: B batch images, C channels, H height, W width, U units of a ReLU.
"""

import copy
import math

import torch
from torch import Tensor, nn


def naswot(module: nn.Module, images_BCHW: Tensor) -> float:
    """Return log |K|, K[a, b] being the number of ReLU units that images a and b switch alike.

    Two images that no unit tells apart make K singular: minus infinity.
    """
    batch = len(images_BCHW)
    alike_BB = torch.zeros(batch, batch, dtype=torch.float64, device=images_BCHW.device)

    def count(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        on_BU = (output > 0).flatten(1).double()
        alike_BB.add_(on_BU @ on_BU.T).add_((1 - on_BU) @ (1 - on_BU).T)

    hooks = [layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, nn.ReLU)]
    module.train()
    with torch.no_grad():
        module(images_BCHW)
    for hook in hooks:
        hook.remove()
    sign, logarithm = torch.linalg.slogdet(alike_BB)
    return float(logarithm) if sign > 0 else -math.inf


def synflow(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Return log sum |parameter * d R / d parameter|, R being the sum of outputs for an input of ones and absolute
    weights.

    ``shape`` is that of one input, with its batch axis. Batch norm passes values through, as in a network never run.
    """
    # double precision, because products over layers leave single precision's range
    module = copy.deepcopy(module).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    device = next(module.parameters()).device
    module(torch.ones(shape, dtype=torch.float64, device=device)).sum().backward()
    flow = sum(float((p.detach() * p.grad).abs().sum()) for p in module.parameters() if p.grad is not None)
    return math.log(flow) if flow > 0 else -math.inf


def gradient_norm(module: nn.Module, loss: Tensor) -> float:
    """Return the sum over ``module``'s parameters of the norm of ``loss``'s gradient."""
    used = [parameter for parameter in module.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, used, allow_unused=True)
    return sum(float(gradient.norm()) for gradient in gradients if gradient is not None)

"""Ranking networks before any training, from one batch and one backward pass at most.

naswot: J. Mellor, J. Turner, A. Storkey and E. J. Crowley, "Neural architecture search without training", ICML 2021.
The log-determinant of how alike images look to the network's ReLUs; more different is better.

synflow: H. Tanaka, D. Kunin, D. Yamins and S. Ganguli, "Pruning neural networks without any data by iteratively
conserving synaptic flow", NeurIPS 2020; as a sum over parameters, M. Abdelfattah et al., "Zero-cost proxies for
lightweight NAS", ICLR 2021. Here its logarithm, since it spans many orders of magnitude.

gradient_norm: Abdelfattah et al. 2021. The sum over parameters of their gradient's norm after one batch.

Shapes: B batch (images or sequences), H height, W width, C channels, U units of a ReLU, L length of a sequence,
V vocabulary.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.params.language import LanguageProxy
from autoshrink.params.vision import ImageProxy
from autoshrink.runtime import seeds


def evaluate(
    cell: Cell, proxy: ImageProxy | LanguageProxy, data: Any, seed: int, device: torch.device, method: str
) -> dict[str, Any]:
    """Return the evaluation of a candidate that is not trained, as JSON values of the form that training gives.

    ``metrics[method]`` is the value, greater is better, None where it is not finite; the accuracy or perplexity is
    None. The network is the one that training would start from. ``data`` is the room's ``ProxyData``; ``seed`` the
    candidate's own.
    """
    if isinstance(proxy, ImageProxy):
        value, costs = _image(cell, proxy, data, seed, device, method)
        quality = "accuracy"
    else:
        assert method == "gradient_norm", "the parameters accept no other one for text"
        value, costs = _language(cell, proxy, data, seed, device)
        quality = "perplexity"
    metrics = {method: value if math.isfinite(value) else None, quality: None, "loss": None, "best_epoch": None}
    return {"metrics": metrics, "history": [], "stopped": "untrained", "costs": costs}


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


def _image(
    cell: Cell, proxy: ImageProxy, data: Any, seed: int, device: torch.device, method: str
) -> tuple[float, dict[str, int]]:
    from autoshrink.tasks.vision import network
    from autoshrink.tasks.vision.images import Normalise

    _, height, width, channels = data.train_images_NHWC.shape
    module = network.build(cell, proxy.network, channels, data.classes, seed)
    costs = counting.measure(module, [torch.zeros(1, channels, height, width)])
    module.to(device)
    if method == "synflow":
        return synflow(module, (1, channels, height, width)), costs
    order_N = torch.randperm(len(data.train_labels_N), generator=seeds.torch_generator(seed, "zero-cost/batch"))
    chosen_B = order_N[: proxy.training.batch_size].to(data.train_labels_N.device)
    normalise = Normalise(data.mean, data.deviation).to(device)
    images_BCHW = normalise(data.train_images_NHWC[chosen_B].to(device))
    if method == "naswot":
        return naswot(module, images_BCHW), costs
    assert method == "gradient_norm"
    module.train()
    loss = nn.functional.cross_entropy(module(images_BCHW), data.train_labels_N[chosen_B].to(device))
    return gradient_norm(module, loss), costs


def _language(
    cell: Cell, proxy: LanguageProxy, data: Any, seed: int, device: torch.device
) -> tuple[float, dict[str, int]]:
    from autoshrink.tasks.language import costs as language_costs
    from autoshrink.tasks.language import network, sequences

    costs = language_costs.measure(cell, proxy.network, len(data.words))
    module = network.build(cell, proxy.network, data.words, seed).to(device)
    module.tie()
    recipe = proxy.training
    train_LB = sequences.columns(data.train, recipe.batch_size, device, "proxy.rnn.train_lines")
    words_LB = train_LB[: recipe.bptt.length + 1]
    logits_LBV, _ = module(words_LB[:-1], module.initial_state(recipe.batch_size))
    loss = nn.functional.cross_entropy(logits_LBV.flatten(0, 1), words_LB[1:].flatten())
    return gradient_norm(module, loss), costs

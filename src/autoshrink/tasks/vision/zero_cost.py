"""Zero-cost measures of image networks.

Shapes: N images, B batch, C channels, H height, W width.
"""

import torch
from torch import nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.params.vision import ImageProxy
from autoshrink.runtime import seeds
from autoshrink.tasks import zero_cost
from autoshrink.tasks.vision import network
from autoshrink.tasks.vision.dropout import NamedDropout
from autoshrink.tasks.vision.images import Normalise
from autoshrink.tasks.vision.proxy import ProxyData


def rank(
    cell: Cell, proxy: ImageProxy, data: ProxyData, seed: int, device: torch.device, method: str
) -> tuple[float, dict[str, int]]:
    """Return what ``method`` says of the network that training would start from, and the network's costs."""
    _, height, width, channels = data.train_images_NHWC.shape
    module = network.build(cell, proxy.network, channels, data.classes, seed)
    costs = counting.measure(module, [torch.zeros(1, channels, height, width)])
    module.to(device)
    if method == "synflow":
        return zero_cost.synflow(module, (1, channels, height, width)), costs
    order_N = torch.randperm(len(data.train_labels_N), generator=seeds.torch_generator(seed, "zero-cost/batch"))
    chosen_B = order_N[: proxy.training.batch_size].to(data.train_labels_N.device)
    normalise = Normalise(data.mean, data.deviation).to(device)
    images_BCHW = normalise(data.train_images_NHWC[chosen_B].to(device))
    if method == "naswot":
        return zero_cost.naswot(module, images_BCHW), costs
    assert method == "gradient_norm"
    if proxy.network.dropout:
        dropout = NamedDropout(proxy.network.dropout, 1, len(chosen_B), module.classifier.in_features, device)
        dropout.draw(seed, "zero-cost/dropout")
        dropout.choose(torch.zeros(1, dtype=torch.long, device=device))
        module.dropout = dropout
    module.train()
    loss = nn.functional.cross_entropy(module(images_BCHW), data.train_labels_N[chosen_B].to(device))
    return zero_cost.gradient_norm(module, loss), costs

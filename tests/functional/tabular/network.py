"""A network of dense layers around a cell.

Shapes: B batch, F features, W width.
"""

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.runtime import seeds

from .parameters import TabularNetwork

ACTIVATIONS = {"dense_relu": torch.relu, "dense_tanh": torch.tanh}


class DenseNetwork(nn.Module):
    """A stem, the cell, whose every node sums its inputs, and a classifier over the mean of the leaves."""

    def __init__(self, cell: Cell, network: TabularNetwork, features: int, classes: int) -> None:
        super().__init__()
        self.cell = cell
        self.stem = nn.Linear(features, network.width)
        self.layers = nn.ModuleList([nn.Linear(network.width, network.width) for _ in cell.nodes[1:]])
        self.classifier = nn.Linear(network.width, classes)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return the logits."""
        states = {0: self.stem(x_BF)}
        for node, layer in zip(self.cell.nodes[1:], self.layers, strict=True):
            x_BW = torch.stack([states[source] for source in self.cell.predecessors(node)]).sum(0)
            states[node] = ACTIVATIONS[self.cell.operator(node)](layer(x_BW))
        logits: Tensor = self.classifier(torch.stack([states[leaf] for leaf in self.cell.leaves]).mean(0))
        return logits


def build(cell: Cell, network: TabularNetwork, features: int, classes: int, seed: int) -> DenseNetwork:
    """Return the network with weights drawn by name from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "init"))
        return DenseNetwork(cell, network, features, classes)

"""Grow an image network by Firefly descent (Wu et al. 2020): split neurons, add new ones, and add layers.

All candidates are attached at once (``overgrown``). A split turns a neuron's incoming weights w into w + g d and
w - g d, each with half of the outgoing weights; a new neuron has outgoing weights g d; a new layer after a cell adds an
operator of its input to it, whose last batch norm has the scales g d. Those that gain most per cost are installed at
the gate size that lowers the loss most on other training images.

Shapes: G gates, as in ``overgrown``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.params.search import GROWING_OPERATORS
from autoshrink.params.vision import Growth, ImageNetwork
from autoshrink.records.history import GrowthEntry
from autoshrink.tasks.vision import network as networks
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.network import CellNetwork
from autoshrink.tasks.vision.overgrown import Axis, Objective, Overgrown, cells, dense, layers
from autoshrink.training.growth import Neuron, counts, select

OPERATORS = GROWING_OPERATORS
"""Those whose nodes can grow."""
SIZES = (1.0, 0.5, 0.25, 0.125)  # gates tried when the chosen neurons are installed
PROBE_BATCHES = 8


def growing(width: int, candidates: int, first_gate: int) -> Axis:
    """Return a node's axis: its neurons, a copy of each, and the new ones."""
    index, new = torch.arange(width), torch.arange(candidates)
    return Axis(
        torch.cat([index, index, torch.full((candidates,), -1)]),
        torch.cat([index, index, 2 * width + new]),
        torch.cat([torch.ones(width), -torch.ones(width), torch.zeros(candidates)]),
        first_gate + torch.cat([index, index, width + new]),
    )


def widths(module: CellNetwork) -> dict[str, int]:
    """Return the width of each node that can grow, in the network's order.

    A leaf cannot where its cell adds its input unchanged, or the next one does: what is added must stay as wide.
    """
    found, every = {}, list(cells(module))
    for number, (name, cell) in enumerate(every):
        unchanged = [
            item.residual and isinstance(item.projection, nn.Identity) for _, item in every[number : number + 2]
        ]
        for node, _ in cell.plan:
            if node in cell.leaves and any(unchanged):
                continue
            found[f"{name}.{node}"] = dense(cell.nodes[str(node)]).conv.out_channels
    return found


def thinned(cell: Cell, network: ImageNetwork, channels: int, classes: int, growth: Growth) -> ImageNetwork:
    """Return the network that a growing training starts from."""
    full = widths(networks.skeleton(cell, network, channels, classes))
    return network.model_copy(
        update={"node_widths": {node: max(1, round(width * growth.start)) for node, width in full.items()}}
    )


class Candidates(Overgrown):
    """A network with a split of every neuron, and new neurons, attached; a gate each."""

    def __init__(
        self,
        cell: Cell,
        network: ImageNetwork,
        channels: int,
        classes: int,
        state: Mapping[str, Tensor],
        candidates: int,
        seed: int,
        device: torch.device,
        depth: str | None = None,
    ) -> None:
        """Attach them; ``candidates`` are the new neurons of each node, ``depth`` the operator of a layer after each
        cell, if any."""
        self.cell, self.network, self.channels, self.classes = cell, network, channels, classes
        thin = networks.skeleton(cell, network, channels, classes)
        self.widths = widths(thin)
        axes, wide = {}, {}
        self.neurons: list[Neuron] = []
        for node, width in self.widths.items():
            axes[node] = growing(width, candidates, len(self.neurons))
            self.neurons += [Neuron(node, "split", index) for index in range(width)]
            self.neurons += [Neuron(node, "new", index) for index in range(candidates)]
            wide[node] = 2 * width + candidates
        self.filters = {name: item.out_channels for name, item in cells(thin)} if depth else {}
        """By cell, of the layers that may be added."""
        self.deeper = {} if depth is None else {name: _deeper(network, name, depth) for name in self.filters}
        gates = {name: len(self.neurons) + number for number, name in enumerate(self.filters)}
        self.neurons += [Neuron(name, "layer", len(self.deeper[name]) - 1) for name in self.filters]
        moved = {node: Axis(*(part.to(device) for part in vars(axis).values())) for node, axis in axes.items()}
        changes = {"node_widths": wide, "residual_layers": {**network.residual_layers, **self.deeper}}
        module = networks.skeleton(cell, network.model_copy(update=changes), channels, classes)
        with device:
            attached = list(layers(module, moved, deeper=gates))
        super().__init__(module, attached, state, len(self.neurons), seed, device)

    def scores(self, batches: Sequence[Batch], objective: Objective) -> dict[Neuron, float]:
        """Return by how much each candidate is predicted to lower the loss."""
        return dict(zip(self.neurons, self.gains(batches, objective), strict=True))

    def predicted(self, gain: float, size: float) -> float:
        """Return the gain that is predicted at a gate of another size, from that at 1: no less, at first order."""
        return gain

    def opened(self, neurons: Sequence[Neuron], size: float) -> Tensor:
        """Return the gates (G,) with only these candidates' open."""
        gates_G = self.gates(0.0)
        number = {neuron: index for index, neuron in enumerate(self.neurons)}
        gates_G[[number[neuron] for neuron in neurons]] = size
        return gates_G


def _deeper(network: ImageNetwork, cell: str, operator: str) -> list[str]:
    """Return the operators of the residual layers after a cell, and one more."""
    return [*network.residual_layers.get(cell, []), operator]


@dataclass(frozen=True)
class Grown:
    """What a growth came to."""

    network: ImageNetwork
    overgrown: Candidates
    gates_G: Tensor
    entry: GrowthEntry


def cost_of(
    cell: Cell, network: ImageNetwork, channels: int, classes: int, size: tuple[int, int], growth: Growth
) -> int:
    """Return what the network costs per image, in the growth's unit."""
    module = networks.skeleton(cell, network, channels, classes)
    return counting.measure(module, [torch.zeros(1, channels, *size)])[growth.cost]


def grow(
    overgrown: Candidates,
    growth: Growth,
    epoch: int,
    batches: Iterator[Batch],
    objective: Objective,
    size: tuple[int, int],
    budget: int,
) -> Grown:
    """Tune, score, choose and install candidates before ``epoch``.

    ``batches`` are of training images, with the network's targets.
    """
    cell, network = overgrown.cell, overgrown.network

    def wider(added: Mapping[str, int]) -> ImageNetwork:
        new = {node: width + added.get(node, 0) for node, width in overgrown.widths.items()}
        deeper = {name: operators for name, operators in overgrown.deeper.items() if added.get(name)}
        changes = {"node_widths": new, "residual_layers": {**network.residual_layers, **deeper}}
        return network.model_copy(update=changes)

    def cost(added: Mapping[str, int]) -> int:
        return cost_of(cell, wider(added), overgrown.channels, overgrown.classes, size, growth)

    overgrown.tune(list(islice(batches, growth.tuning_steps)), objective)
    gains = overgrown.scores(list(islice(batches, PROBE_BATCHES)), objective)
    before = cost({})
    added_cost = {node: cost({node: 1}) - before for node in (*overgrown.widths, *overgrown.filters)}
    quota = math.floor(growth.ratio * sum(overgrown.widths.values()))
    chosen = select(gains, quota, added_cost, cost, budget, overgrown.filters)
    probe = list(islice(batches, PROBE_BATCHES))
    start = overgrown.loss(overgrown.gates(0.0), probe, objective)
    losses = {opening: overgrown.loss(overgrown.opened(chosen, opening), probe, objective) for opening in SIZES}
    opening = min(losses, key=lambda opening: losses[opening])
    if not losses[opening] < start:  # what was predicted to help harms at every size
        chosen = []
    grown = wider(counts(chosen))
    entry = GrowthEntry(
        epoch=epoch,
        quota=quota,
        new=sum(neuron.kind == "new" for neuron in chosen),
        split=sum(neuron.kind == "split" for neuron in chosen),
        layers=sum(neuron.kind == "layer" for neuron in chosen),
        gate=opening if chosen else 0.0,
        predicted_gain=overgrown.predicted(float(sum(gains[neuron] for neuron in chosen)), opening),
        gain=start - losses[opening] if chosen else 0.0,
        widths=dict(grown.node_widths),
        residual_layers={name: tuple(operators) for name, operators in grown.residual_layers.items()},
        costs={growth.cost: cost(counts(chosen))},
    )
    return Grown(grown, overgrown, overgrown.opened(chosen, opening), entry)

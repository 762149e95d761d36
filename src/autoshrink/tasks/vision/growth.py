"""Grow node widths of an image network by Firefly descent (Wu et al. 2020): split neurons and add new ones.

All candidates are attached at once with a gate each, so that gates of zero leave the network's function as it is. A
split turns a neuron's incoming weights w into w + g d and w - g d, each with half of the outgoing weights; a new neuron
has outgoing weights g d. Directions d are tuned on training images with all else frozen, a gate's gradient integrated
from 0 to 1 predicts what the candidate gains, and those that gain most per cost are installed at the gate size that
lowers the loss most on other training images. The outgoing weights carry the gate, since batch norm would undo it
anywhere else.

Shapes: G gates, B batch, C channels, H height, W width, O and I a layer's outputs and inputs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoshrink.cells.cell import Cell
from autoshrink.costs import counting
from autoshrink.params.vision import Growth, ImageNetwork
from autoshrink.records.history import GrowthEntry
from autoshrink.runtime import seeds
from autoshrink.tasks.vision import network as networks
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.network import CellModule, CellNetwork
from autoshrink.tasks.vision.operators import ConvNorm, SeparableConv
from autoshrink.training.growth import Neuron, counts, select

OPERATORS = ("separable_conv_3x3", "separable_conv_5x5", "conv_1x1", "conv_3x3")
"""Those whose nodes can grow."""
POINTS = 3  # midpoints of the integrated gradient
SIZES = (1.0, 0.5, 0.25, 0.125)  # gates tried when the chosen neurons are installed
PROBE_BATCHES = 8
TUNING_RATE = 1e-2
SPLIT_RANGE, OUTGOING_RANGE = 0.1, 0.01

Objective = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Axis:
    """One dimension of channels, with all candidates attached."""

    old: Tensor
    """The channel of the network that each comes from; -1: new."""
    share: Tensor
    """The channel whose direction each has: its own, or for a split's copy the original's."""
    sign: Tensor
    """1 for a neuron that a split turns into two, -1 for its copy, else 0."""
    gate: Tensor
    """The index of each channel's gate; -1: none."""

    @property
    def is_new(self) -> Tensor:
        """Which channels are new neurons."""
        return self.old < 0

    def outgoing(self, gates_G: Tensor) -> Tensor:
        """Return what each channel's outgoing weights are multiplied by."""
        halves = torch.where(self.sign != 0, 0.5, 1.0).to(gates_G.dtype)
        return torch.where(self.is_new, gates_G[self.gate], halves)

    def chosen(self, gates_G: Tensor) -> Tensor:
        """Return the channels that stay: those of the network, and those whose gate is open."""
        return torch.nonzero((self.sign > 0) | (self.gate < 0) | (gates_G[self.gate] > 0)).flatten()


def fixed(width: int) -> Axis:
    """Return an axis that does not grow."""
    index = torch.arange(width)
    return Axis(index, index, torch.zeros(width), torch.full((width,), -1))


def growing(width: int, candidates: int, first_gate: int) -> Axis:
    """Return a node's axis: its neurons, a copy of each, and the new ones."""
    index, new = torch.arange(width), torch.arange(candidates)
    return Axis(
        torch.cat([index, index, torch.full((candidates,), -1)]),
        torch.cat([index, index, 2 * width + new]),
        torch.cat([torch.ones(width), -torch.ones(width), torch.zeros(candidates)]),
        first_gate + torch.cat([index, index, width + new]),
    )


def joined(axes: Sequence[Axis]) -> Axis:
    """Return the axis of a concatenation."""
    olds, shares, old, wide = [], [], 0, 0
    for axis in axes:
        olds.append(torch.where(axis.is_new, -1, axis.old + old))
        shares.append(axis.share + wide)
        old, wide = old + int(axis.old.max()) + 1, wide + len(axis.old)
    return Axis(
        torch.cat(olds),
        torch.cat(shares),
        torch.cat([axis.sign for axis in axes]),
        torch.cat([axis.gate for axis in axes]),
    )


@dataclass(frozen=True)
class Layer:
    """A layer with weights, and the batch norm after it."""

    name: str
    norm: str | None
    outputs: Axis
    inputs: Axis | None
    """None: depthwise, each output has its own input."""
    splits: bool
    """Whether splits of its outputs perturb its weights: the last dense layer of a node."""


def layers(module: CellNetwork, axes: Mapping[str, Axis]) -> Iterator[Layer]:
    """Yield the network's layers; ``axes`` are those of the nodes that grow."""
    value = fixed(module.stem.conv.out_channels)
    yield Layer("stem.conv", "stem.norm", value, fixed(module.stem.conv.in_channels), False)
    for name, cell in cells(module):
        values = {0: value}
        for node, sources in cell.plan:
            inputs = joined([values[source] for source in sources])
            path, operator = f"{name}.nodes.{node}", cell.nodes[str(node)]
            if isinstance(operator, SeparableConv):
                yield Layer(f"{path}.depthwise.conv", f"{path}.depthwise.norm", inputs, None, False)
                path, operator = f"{path}.pointwise", operator.pointwise
            assert isinstance(operator, ConvNorm)
            values[node] = axes.get(f"{name}.{node}") or fixed(operator.conv.out_channels)
            yield Layer(f"{path}.conv", f"{path}.norm", values[node], inputs, True)
        out = joined([values[leaf] for leaf in cell.leaves])
        if isinstance(cell.projection, ConvNorm):
            yield Layer(f"{name}.projection.conv", f"{name}.projection.norm", out, value, False)
        value = out
    if isinstance(module.head, ConvNorm):
        head = fixed(module.head.conv.out_channels)
        yield Layer("head.conv", "head.norm", head, value, False)
        value = head
    yield Layer("classifier", None, fixed(module.classifier.out_features), value, False)


def cells(module: CellNetwork) -> Iterator[tuple[str, CellModule]]:
    """Yield the network's cells under their names, ``stage0.0`` first."""
    for stage in range(module.stages):
        for index, cell in enumerate(module.get_submodule(f"stage{stage}").children()):
            assert isinstance(cell, CellModule)
            yield f"stage{stage}.{index}", cell


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
            operator = cell.nodes[str(node)]
            dense = operator.pointwise if isinstance(operator, SeparableConv) else operator
            assert isinstance(dense, ConvNorm)
            found[f"{name}.{node}"] = dense.conv.out_channels
    return found


def thinned(cell: Cell, network: ImageNetwork, channels: int, classes: int, growth: Growth) -> ImageNetwork:
    """Return the network that a growing training starts from."""
    full = widths(networks.skeleton(cell, network, channels, classes))
    return network.model_copy(
        update={"node_widths": {node: max(1, round(width * growth.start)) for node, width in full.items()}}
    )


@dataclass
class Overgrown:
    """A network with every candidate attached: its weights are ``assemble`` of the gates."""

    cell: Cell
    network: ImageNetwork
    channels: int
    classes: int
    state: dict[str, Tensor]
    """Weights and statistics of the network that grows."""
    candidates: int
    seed: int
    device: torch.device

    def __post_init__(self) -> None:
        """Attach the candidates, with directions drawn by name."""
        thin = networks.skeleton(self.cell, self.network, self.channels, self.classes)
        self.widths = widths(thin)
        axes, wide = {}, {}
        self.neurons: list[Neuron] = []
        for node, width in self.widths.items():
            axes[node] = growing(width, self.candidates, len(self.neurons))
            self.neurons += [Neuron(node, "split", index) for index in range(width)]
            self.neurons += [Neuron(node, "new", index) for index in range(self.candidates)]
            wide[node] = 2 * width + self.candidates
        moved = {node: Axis(*(part.to(self.device) for part in vars(axis).values())) for node, axis in axes.items()}
        with self.device:
            self.layers = list(layers(thin, moved))
        self.module = networks.skeleton(
            self.cell, self.network.model_copy(update={"node_widths": wide}), self.channels, self.classes
        ).train()
        for part in self.module.modules():
            if isinstance(part, nn.Dropout):
                part.eval()
        self.directions = {layer.name: self._draw(layer) for layer in self.layers}
        self.statistics = self._statistics()

    def _draw(self, layer: Layer) -> Tensor:
        """Return directions (O, I, ...), drawn by the layer's name."""
        generator = seeds.torch_generator(self.seed, layer.name)
        shape = list(self.state[f"{layer.name}.weight"].shape)
        shape[0] = len(layer.outputs.old)
        shape[1] = len(layer.inputs.old) if layer.inputs else 1
        dtype = self.state[f"{layer.name}.weight"].dtype
        incoming = torch.randn(shape, generator=generator, dtype=dtype) * math.sqrt(2 / math.prod(shape[1:]))
        uniform = torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1
        new_O = layer.outputs.is_new.cpu().view(-1, *[1] * (len(shape) - 1))
        drawn = torch.where(new_O, incoming, uniform * SPLIT_RANGE)
        if layer.inputs:
            new_I = layer.inputs.is_new.cpu().view(1, -1, *[1] * (len(shape) - 2))
            drawn = torch.where(new_I & ~new_O, uniform * OUTGOING_RANGE, drawn)
        return drawn.to(self.device)

    def _statistics(self) -> dict[str, Tensor]:
        """Return batch norm's statistics, with the fresh ones of new neurons."""
        found = {}
        for layer in self.layers:
            if layer.norm:
                for key, fill in (("running_mean", 0.0), ("running_var", 1.0)):
                    found[f"{layer.norm}.{key}"] = gather(self.state[f"{layer.norm}.{key}"], layer.outputs.old, 0, fill)
                found[f"{layer.norm}.num_batches_tracked"] = self.state[f"{layer.norm}.num_batches_tracked"].clone()
        return found

    def assemble(self, gates_G: Tensor) -> dict[str, Tensor]:
        """Return the weights of the network with all candidates at these gates."""
        found = {}
        for layer in self.layers:
            weight, out, inputs = self.state[f"{layer.name}.weight"], layer.outputs, layer.inputs
            direction = self.directions[layer.name][out.share]
            rank = [1] * (weight.ndim - 2)
            weight = gather(weight, out.old, 0)
            new_O1 = out.is_new.view(-1, 1, *rank)
            if inputs is None:
                weight = torch.where(new_O1, direction, weight)
            else:
                weight, direction = gather(weight, inputs.old, 1), direction[:, inputs.share]
                new_1I = inputs.is_new.view(1, -1, *rank)
                added = torch.where(new_O1 | new_1I, direction, 0.0)
                if layer.splits:
                    opening = (out.sign.to(gates_G.dtype) * gates_G[out.gate]).view(-1, 1, *rank)
                    added = added + opening * torch.where(new_1I, 0.0, direction)
                weight = (weight + added) * inputs.outgoing(gates_G).view(1, -1, *rank)
            found[f"{layer.name}.weight"] = weight
            if layer.norm:
                for key, fill in (("weight", 1.0), ("bias", 0.0)):
                    found[f"{layer.norm}.{key}"] = gather(self.state[f"{layer.norm}.{key}"], out.old, 0, fill)
            else:
                found[f"{layer.name}.bias"] = self.state[f"{layer.name}.bias"]
        return found

    def outputs(self, gates_G: Tensor, x_BCHW: Tensor, statistics: dict[str, Tensor] | None = None) -> Tensor:
        """Return the logits at these gates, in training mode; ``statistics`` are updated where given."""
        own = statistics if statistics is not None else {name: value.clone() for name, value in self.statistics.items()}
        logits: Tensor = functional_call(self.module, {**self.assemble(gates_G), **own}, (x_BCHW,))
        return logits

    def gates(self, value: float) -> Tensor:
        """Return all gates at one value."""
        dtype = next(iter(self.directions.values())).dtype
        return torch.full((len(self.neurons),), value, dtype=dtype, device=self.device)

    def tune(self, batches: Sequence[Batch], objective: Objective) -> None:
        """Descend on the directions with all gates open; the network's own weights stay."""
        directions = list(self.directions.values())
        for direction in directions:
            direction.requires_grad_()
        optimizer = torch.optim.RMSprop(directions, TUNING_RATE, alpha=0.9, momentum=0.1, weight_decay=1e-4)
        for x_BCHW, targets_B in batches:
            loss = objective(self.outputs(self.gates(1.0), x_BCHW, self.statistics), targets_B)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for direction in directions:
            direction.requires_grad_(False)

    def gains(self, batches: Sequence[Batch], objective: Objective) -> dict[Neuron, float]:
        """Return by how much each candidate is predicted to lower the loss: the gates' integrated gradients."""
        total_G = torch.zeros_like(self.gates(0.0), dtype=torch.float64)
        for point in range(POINTS):
            for x_BCHW, targets_B in batches:
                gates_G = self.gates((2 * point + 1) / (2 * POINTS)).requires_grad_()
                loss = objective(self.outputs(gates_G, x_BCHW), targets_B)
                total_G -= torch.autograd.grad(loss, gates_G)[0].double()
        return dict(zip(self.neurons, (total_G / (POINTS * len(batches))).tolist(), strict=True))

    @torch.no_grad()
    def loss(self, gates_G: Tensor, batches: Sequence[Batch], objective: Objective) -> float:
        """Return the mean loss at these gates."""
        losses = [objective(self.outputs(gates_G, x_BCHW), targets_B).double() for x_BCHW, targets_B in batches]
        return float(torch.stack(losses).mean())

    def opened(self, neurons: Sequence[Neuron], size: float) -> Tensor:
        """Return the gates (G,) with only these candidates' open."""
        gates_G = self.gates(0.0)
        number = {neuron: index for index, neuron in enumerate(self.neurons)}
        gates_G[[number[neuron] for neuron in neurons]] = size
        return gates_G

    @torch.no_grad()
    def installed(self, gates_G: Tensor) -> dict[str, Tensor]:
        """Return weights and statistics of the network with only the candidates of open gates."""
        wide, found = self.assemble(gates_G), {}
        for layer in self.layers:
            out = layer.outputs.chosen(gates_G)
            weight = wide[f"{layer.name}.weight"][out]
            if layer.inputs:
                chosen = layer.inputs.chosen(gates_G)
                # a neuron whose split was not chosen has its whole outgoing weights again
                unsplit = (layer.inputs.sign[chosen] > 0) & (gates_G[layer.inputs.gate[chosen]] == 0)
                factor = torch.where(unsplit, 2.0, 1.0).to(weight.dtype)
                weight = weight[:, chosen] * factor.view(1, -1, *[1] * (weight.ndim - 2))
            found[f"{layer.name}.weight"] = weight.clone()
            if not layer.norm:
                found[f"{layer.name}.bias"] = wide[f"{layer.name}.bias"].clone()
                continue
            for key in ("weight", "bias"):
                found[f"{layer.norm}.{key}"] = wide[f"{layer.norm}.{key}"][out]
            for key in ("running_mean", "running_var"):
                own = gather(self.state[f"{layer.norm}.{key}"], layer.outputs.old, 0)
                tuned = self.statistics[f"{layer.norm}.{key}"]
                found[f"{layer.norm}.{key}"] = torch.where(layer.outputs.is_new, tuned, own)[out]
            found[f"{layer.norm}.num_batches_tracked"] = self.state[f"{layer.norm}.num_batches_tracked"].clone()
        return found

    def carried(self, gates_G: Tensor, values: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``values``, one per parameter, in the grown network's shapes; what is new comes from ``new``.

        A split's two halves both have the original's value.
        """
        found = dict(new)
        for layer in self.layers:
            out = layer.outputs.old[layer.outputs.chosen(gates_G)]
            inputs = layer.inputs.old[layer.inputs.chosen(gates_G)] if layer.inputs else None
            names = [f"{layer.name}.weight", f"{layer.name}.bias"]
            names += [f"{layer.norm}.{key}" for key in ("weight", "bias", "running_mean", "running_var")]
            for name in names:
                if name not in values:
                    continue
                value, is_new = gather(values[name], out, 0), out < 0
                if name == names[0] and inputs is not None:
                    value = gather(value, inputs, 1)
                    is_new = is_new[:, None] | (inputs < 0)[None, :]
                is_new = is_new.view(*is_new.shape, *[1] * (value.ndim - is_new.ndim))
                found[name] = torch.where(is_new, new[name], value)
        return found


def gather(values: Tensor, index: Tensor, dimension: int, fill: float = 0.0) -> Tensor:
    """Return the slices of ``values`` at ``index``; ``fill`` where that is -1."""
    found = values.index_select(dimension, index.clamp(min=0))
    shape = [1] * values.ndim
    shape[dimension] = -1
    return torch.where((index < 0).view(shape), torch.full_like(found, fill), found)


@dataclass(frozen=True)
class Grown:
    """What a growth came to."""

    network: ImageNetwork
    overgrown: Overgrown
    gates_G: Tensor
    entry: GrowthEntry


def cost_of(
    cell: Cell, network: ImageNetwork, channels: int, classes: int, size: tuple[int, int], growth: Growth
) -> int:
    """Return what the network costs per image, in the growth's unit."""
    module = networks.skeleton(cell, network, channels, classes)
    return counting.measure(module, [torch.zeros(1, channels, *size)])[growth.cost]


def grow(
    overgrown: Overgrown,
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
        return network.model_copy(update={"node_widths": new})

    def cost(added: Mapping[str, int]) -> int:
        return cost_of(cell, wider(added), overgrown.channels, overgrown.classes, size, growth)

    overgrown.tune(list(islice(batches, growth.tuning_steps)), objective)
    gains = overgrown.gains(list(islice(batches, PROBE_BATCHES)), objective)
    before = cost({})
    added_cost = {node: cost({node: 1}) - before for node in overgrown.widths}
    quota = math.floor(growth.ratio * sum(overgrown.widths.values()))
    chosen = select(gains, quota, added_cost, cost, budget)
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
        gate=opening if chosen else 0.0,
        predicted_gain=float(sum(gains[neuron] for neuron in chosen)),
        gain=start - losses[opening] if chosen else 0.0,
        widths=dict(grown.node_widths),
        costs={growth.cost: cost(counts(chosen))},
    )
    return Grown(grown, overgrown, overgrown.opened(chosen, opening), entry)

"""A network with candidates attached, each behind a gate: what Firefly descent (Wu et al. 2020) tunes and scores.

Gates of zero leave the network's function as it is. Directions, which are the candidates' own weights, are tuned on
training images with all else frozen, and a gate's gradient integrated from 0 to 1 predicts what its candidate gains.
The gate sits on outgoing weights, since batch norm would undo it anywhere before it.

Shapes: G gates, B batch, C channels, H height, W width, O and I a layer's outputs and inputs.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoshrink.cells.cell import Edge
from autoshrink.runtime import seeds
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.network import CellModule, CellNetwork, ResidualLayer
from autoshrink.tasks.vision.operators import ConvNorm, SeparableConv

POINTS = 3  # midpoints of the integrated gradient
TUNING_RATE = 1e-2
SPLIT_RANGE, OUTGOING_RANGE = 0.1, 0.01
LAYER_SCALE = 0.1  # of a candidate layer's last batch norm, before it is tuned

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


def behind(width: int, gate: int) -> Axis:
    """Return channels that are all new, behind one gate."""
    return Axis(torch.full((width,), -1), torch.arange(width), torch.zeros(width), torch.full((width,), gate))


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
    splits: bool = False
    """Whether splits of its outputs perturb its weights: the last dense layer of a node."""
    is_new: bool = False
    """Whether it is part of a layer that is a candidate ..."""
    gate: int | None = None
    """... and whose gate multiplies the scales and shifts of its batch norm."""


def layers(
    module: CellNetwork,
    axes: Mapping[str, Axis],
    edges: Mapping[Edge, int] = MappingProxyType({}),
    deeper: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Layer]:
    """Yield the network's layers.

    ``axes`` are those of the nodes that grow; ``edges`` are the gates of the edges of its cells that are candidates,
    ``deeper`` of the last residual layers of those cells where these are candidates.
    """
    value = fixed(module.stem.conv.out_channels)
    yield Layer("stem.conv", "stem.norm", value, fixed(module.stem.conv.in_channels), False)
    for name, cell in cells(module):
        values = {0: value}
        for node, sources in cell.plan:
            inputs = joined(
                [
                    behind(len(values[source].old), edges[source, node]) if (source, node) in edges else values[source]
                    for source in sources
                ]
            )
            operator = cell.nodes[str(node)]
            values[node] = axes.get(f"{name}.{node}") or fixed(dense(operator).conv.out_channels)
            yield from _operator(f"{name}.nodes.{node}", operator, values[node], inputs, splits=True)
        out = joined([values[leaf] for leaf in cell.leaves])
        if isinstance(cell.projection, ConvNorm):
            yield Layer(f"{name}.projection.conv", f"{name}.projection.norm", out, value, False)
        value = out
        after = list(cell.deeper.children())
        for index, layer in enumerate(after):
            assert isinstance(layer, ResidualLayer)
            gate = deeper.get(name) if index == len(after) - 1 else None
            yield from _operator(f"{name}.deeper.{index}.operator", layer.operator, value, value, gate=gate)
    if isinstance(module.head, ConvNorm):
        head = fixed(module.head.conv.out_channels)
        yield Layer("head.conv", "head.norm", head, value, False)
        value = head
    yield Layer("classifier", None, fixed(module.classifier.out_features), value, False)


def _operator(
    path: str, operator: nn.Module, outputs: Axis, inputs: Axis, *, splits: bool = False, gate: int | None = None
) -> Iterator[Layer]:
    is_new = gate is not None
    if isinstance(operator, SeparableConv):
        yield Layer(f"{path}.depthwise.conv", f"{path}.depthwise.norm", inputs, None, is_new=is_new)
        path = f"{path}.pointwise"
    yield Layer(f"{path}.conv", f"{path}.norm", outputs, inputs, splits, is_new, gate)


def dense(operator: nn.Module) -> ConvNorm:
    """Return what decides how wide an operator's output is."""
    dense = operator.pointwise if isinstance(operator, SeparableConv) else operator
    assert isinstance(dense, ConvNorm)
    return dense


def cells(module: CellNetwork) -> Iterator[tuple[str, CellModule]]:
    """Yield the network's cells under their names, ``stage0.0`` first."""
    for stage in range(module.stages):
        for index, cell in enumerate(module.get_submodule(f"stage{stage}").children()):
            assert isinstance(cell, CellModule)
            yield f"stage{stage}.{index}", cell


@dataclass
class Overgrown:
    """A network with every candidate attached: its weights are ``assemble`` of the gates."""

    module: CellNetwork
    """On the ``meta`` device, as wide as all candidates make it."""
    layers: Sequence[Layer]
    state: Mapping[str, Tensor]
    """Weights and statistics of the network that grows."""
    count: int
    """Gates."""
    seed: int
    device: torch.device
    directions: dict[str, Tensor] = field(init=False)
    statistics: dict[str, Tensor] = field(init=False)
    """Of batch norm, with those of new channels."""

    def __post_init__(self) -> None:
        """Draw the directions by name."""
        self.module.train()
        for part in self.module.modules():
            if isinstance(part, nn.Dropout):
                part.eval()
        self.directions = {layer.name: self._draw(layer) for layer in self.layers}
        for layer in self.layers:
            if layer.gate is not None:
                assert layer.norm is not None
                self.directions[layer.norm] = torch.full_like(self.directions[layer.name][:, 0, 0, 0], LAYER_SCALE)
        self.statistics = self._statistics()

    def _draw(self, layer: Layer) -> Tensor:
        """Return directions (O, I, ...), drawn by the layer's name."""
        generator = seeds.torch_generator(self.seed, layer.name)
        shape = list(self.module.get_parameter(f"{layer.name}.weight").shape)
        dtype = self.state["classifier.weight"].dtype
        incoming = torch.randn(shape, generator=generator, dtype=dtype) * math.sqrt(2 / math.prod(shape[1:]))
        uniform = torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1
        new_O = layer.outputs.is_new.cpu().view(-1, *[1] * (len(shape) - 1))
        drawn = torch.where(new_O | layer.is_new, incoming, uniform * SPLIT_RANGE)
        if layer.inputs:
            new_I = layer.inputs.is_new.cpu().view(1, -1, *[1] * (len(shape) - 2))
            drawn = torch.where(new_I & ~(new_O | layer.is_new), uniform * OUTGOING_RANGE, drawn)
        return drawn.to(self.device)

    def _statistics(self) -> dict[str, Tensor]:
        """Return batch norm's statistics, with the fresh ones of new neurons."""
        found: dict[str, Tensor] = {}
        for layer in self.layers:
            if layer.norm and layer.is_new:
                for key, buffer in self.module.get_submodule(layer.norm).named_buffers():
                    fresh = torch.ones if key == "running_var" else torch.zeros
                    found[f"{layer.norm}.{key}"] = fresh(buffer.shape, dtype=buffer.dtype, device=self.device)
            elif layer.norm:
                for key, fill in (("running_mean", 0.0), ("running_var", 1.0)):
                    found[f"{layer.norm}.{key}"] = gather(self.state[f"{layer.norm}.{key}"], layer.outputs.old, 0, fill)
                found[f"{layer.norm}.num_batches_tracked"] = self.state[f"{layer.norm}.num_batches_tracked"].clone()
        return found

    def assemble(self, gates_G: Tensor) -> dict[str, Tensor]:
        """Return the weights of the network with all candidates at these gates."""
        found: dict[str, Tensor] = {}
        for layer in self.layers:
            out, inputs = layer.outputs, layer.inputs
            direction = self.directions[layer.name][out.share]
            if layer.is_new:
                found |= self._new_layer(layer, direction, gates_G)
                continue
            weight = self.state[f"{layer.name}.weight"]
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

    def _new_layer(self, layer: Layer, direction: Tensor, gates_G: Tensor) -> dict[str, Tensor]:
        """Return the weights of a part of a candidate layer; ``direction`` has its rows."""
        assert layer.norm is not None
        if layer.inputs:
            direction = direction[:, layer.inputs.share] * layer.inputs.outgoing(gates_G).view(1, -1, 1, 1)
        scale_O = torch.ones_like(direction[:, 0, 0, 0])
        if layer.gate is not None:
            scale_O = gates_G[layer.gate] * self.directions[layer.norm][layer.outputs.share]
        found = {f"{layer.name}.weight": direction, f"{layer.norm}.weight": scale_O}
        return {**found, f"{layer.norm}.bias": torch.zeros_like(scale_O)}

    def _is_left_out(self, layer: Layer, gates_G: Tensor) -> bool:
        """Whether it is part of a candidate layer whose gate is closed."""
        if not layer.is_new:
            return False
        whole = layer.name.rpartition(".operator.")[0]
        gates = [item.gate for item in self.layers if item.gate is not None and item.name.startswith(f"{whole}.")]
        return bool(gates_G[gates[0]] == 0)

    def outputs(self, gates_G: Tensor, x_BCHW: Tensor, statistics: dict[str, Tensor] | None = None) -> Tensor:
        """Return the logits at these gates, in training mode; ``statistics`` are updated where given."""
        own = statistics if statistics is not None else {name: value.clone() for name, value in self.statistics.items()}
        logits: Tensor = functional_call(self.module, {**self.assemble(gates_G), **own}, (x_BCHW,))
        return logits

    def gates(self, value: float) -> Tensor:
        """Return all gates at one value."""
        dtype = next(iter(self.directions.values())).dtype
        return torch.full((self.count,), value, dtype=dtype, device=self.device)

    def tune(self, batches: Iterable[Batch], objective: Objective) -> None:
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

    def gains(self, batches: Sequence[Batch], objective: Objective) -> list[float]:
        """Return by how much each gate's candidate is predicted to lower the loss: integrated gradients."""
        total_G = torch.zeros_like(self.gates(0.0), dtype=torch.float64)
        for point in range(POINTS):
            for x_BCHW, targets_B in batches:
                gates_G = self.gates((2 * point + 1) / (2 * POINTS)).requires_grad_()
                loss = objective(self.outputs(gates_G, x_BCHW), targets_B)
                total_G -= torch.autograd.grad(loss, gates_G)[0].double()
        found: list[float] = (total_G / (POINTS * len(batches))).tolist()
        return found

    @torch.no_grad()
    def loss(self, gates_G: Tensor, batches: Sequence[Batch], objective: Objective) -> float:
        """Return the mean loss at these gates."""
        losses = [objective(self.outputs(gates_G, x_BCHW), targets_B).double() for x_BCHW, targets_B in batches]
        return float(torch.stack(losses).mean())

    @torch.no_grad()
    def installed(self, gates_G: Tensor) -> dict[str, Tensor]:
        """Return weights and statistics of the network with only the candidates of open gates."""
        wide, found = self.assemble(gates_G), dict[str, Tensor]()
        for layer in self.layers:
            if self._is_left_out(layer, gates_G):
                continue
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
                tuned = self.statistics[f"{layer.norm}.{key}"]
                if not layer.is_new:
                    own = gather(self.state[f"{layer.norm}.{key}"], layer.outputs.old, 0)
                    tuned = torch.where(layer.outputs.is_new, tuned, own)
                found[f"{layer.norm}.{key}"] = tuned[out]
            tracked = f"{layer.norm}.num_batches_tracked"
            found[tracked] = (self.statistics if layer.is_new else self.state)[tracked].clone()
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

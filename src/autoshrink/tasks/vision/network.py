"""From a cell to an image classifier: stem, stages of stacked cells, optional head, average pool, classifier (section
4.1).

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.params.vision import ImageNetwork
from autoshrink.runtime import seeds
from autoshrink.tasks import entry_points
from autoshrink.tasks.vision import blocks
from autoshrink.tasks.vision.operators import ConvNorm, SeparableConv, activation, operator

# the deviation of a standard normal that is cut off at two deviations
TRUNCATED_DEVIATION = 0.8796256610342398


def make_divisible(value: float, divisor: int) -> int:
    """Return ``value`` rounded to a multiple of ``divisor``, at least one (released code's rule)."""
    return max(round(value / divisor), 1) * divisor


class ResidualLayer(nn.Module):
    """A layer that adds an operator of its input, which ends linear, to it."""

    def __init__(self, name: str, channels: int, network: ImageNetwork) -> None:
        super().__init__()
        self.operator = operator(name, channels, channels, network, linear=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        y_BCHW: Tensor = x_BCHW + self.operator(x_BCHW)
        return y_BCHW


class CellModule(nn.Module):
    """One cell of width ``filters``: node 0 is the (pooled) input, leaves are concatenated, a residual is added.

    The residual is the un-pooled input itself where channels and resolution agree, else a 1 x 1 convolution of it
    with batch norm and the pool's stride. Where the network's cells end in a projection, ``outputs`` filters wide, the
    residual is a projection of the pooled input, and the activation follows the sum.
    """

    def __init__(
        self,
        cell: Cell,
        in_channels: int,
        filters: int,
        pool: int,
        network: ImageNetwork,
        widths: Mapping[int, int] = MappingProxyType({}),
        uniform_in: int | None = None,
        outputs: int | None = None,
        deeper: Sequence[str] = (),
    ) -> None:
        """Build the cell; ``widths`` are the nodes that are not ``filters`` wide.

        ``uniform_in`` is how many channels come in where no node of the network has a width of its own: it decides
        where a projection stands, so that growing nodes never turns a projection into an identity. With ``outputs`` the
        cell ends in a projection to so many channels. ``deeper`` are the operators of residual layers after the cell.
        """
        super().__init__()
        self.plan = tuple((node, cell.predecessors(node)) for node in cell.nodes[1:])
        self.leaves = cell.leaves
        # ceil_mode: a resolution that does not divide is rounded up, as the strided residual's is
        self.pool = nn.MaxPool2d(pool, ceil_mode=True) if pool > 1 else nn.Identity()
        channels = {0: in_channels}
        self.nodes = nn.ModuleDict()
        self.joins = _add if network.node_inputs == "add" else _concatenate
        self.entry: nn.Module = nn.Identity()
        if network.node_inputs == "add" and self.plan and in_channels != filters:
            self.entry = ConvNorm(in_channels, filters, network)
            channels[0] = filters
        for node, sources in self.plan:
            linear = outputs is None and network.residual and node in cell.leaves
            width = sum(channels[source] for source in sources)
            if network.node_inputs == "add":
                width = filters
            channels[node] = widths.get(node, filters)
            self.nodes[str(node)] = operator(cell.operator(node), width, channels[node], network, linear=linear)
        self.out_channels = sum(channels[leaf] for leaf in cell.leaves)
        uniform = {node: filters if node else (uniform_in or in_channels) for node in channels}
        self.uniform_out = sum(uniform[leaf] for leaf in cell.leaves)
        self.residual = network.residual
        self.join: nn.Module = nn.Identity()
        self.activation: nn.Module = nn.Identity()
        self.projection: nn.Module = nn.Identity()
        differ = self.uniform_out != uniform[0] or self.out_channels != in_channels
        self.projects_pooled = outputs is not None
        if outputs is not None:
            self.join = ConvNorm(self.out_channels, outputs, network, linear=True)
            self.activation = activation(network)
            self.out_channels = outputs
            if network.residual:
                self.projection = ConvNorm(in_channels, outputs, network, linear=True)
            self.uniform_out = outputs
        elif network.residual and (differ or pool > 1):
            self.projection = ConvNorm(in_channels, self.out_channels, network, stride=pool, linear=True)

        self.deeper: nn.Module = nn.Identity()
        if deeper:
            self.deeper = nn.Sequential(*(ResidualLayer(name, self.out_channels, network) for name in deeper))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out_channels, ceil(H / pool), ceil(W / pool))."""
        pooled_BCHW = self.pool(x_BCHW)
        values: dict[int, Tensor] = {0: self.entry(pooled_BCHW)}
        for node, sources in self.plan:
            values[node] = self.nodes[str(node)](self.joins([values[source] for source in sources]))
        y_BCHW: Tensor = self.join(_concatenate([values[leaf] for leaf in self.leaves]))
        if self.residual:
            y_BCHW = y_BCHW + self.projection(pooled_BCHW if self.projects_pooled else x_BCHW)
        y_BCHW = self.deeper(self.activation(y_BCHW))
        return y_BCHW


class CellNetwork(nn.Module):
    """The classifier built around a cell. Input (B, C, H, W), normalised; output logits (B, N).

    ``cell`` is the cell of all stages, or has one per stage; or is a known architecture's block in the cells' place.
    With ``background_class`` the first of the N outputs is the background, and class c is output c + 1.
    """

    def __init__(self, cell: Body, network: ImageNetwork, channels: int, classes: int) -> None:
        super().__init__()
        of_stage: Sequence[Body] = cell.stages if isinstance(cell, Cell) else (cell,)
        if len(of_stage) == 1:
            of_stage = [cell] * len(network.stage_cells)
        if len(of_stage) != len(network.stage_cells):
            raise UserError(
                f"{len(of_stage)} cells for {len(network.stage_cells)} stages; accepted: one per stage, or one"
            )

        def width(filters: float) -> int:
            return make_divisible(filters * network.channel_scale, network.channel_divisor)

        features = width(network.stem_filters)
        self.stem = ConvNorm(
            channels,
            features,
            network,
            kernel=network.stem_kernel,
            stride=network.stem_stride,
            same=network.stem_padding == "same",
        )
        self.stem_separable: nn.Module = nn.Identity()
        if network.stem_separable_filters:
            separable = width(network.stem_separable_filters)
            self.stem_separable = SeparableConv(features, separable, network, linear=False)
            features = separable
        widths, deeper = dict(network.node_widths), dict(network.residual_layers)
        uniform = features
        stages = zip(network.stage_scales, network.stage_cells, network.stage_pools, strict=True)
        self.stages = 0
        for scale, cells, pool in stages:
            filters = width(network.base_filters * scale)
            outputs = None if network.stage_outputs is None else width(network.stage_outputs[self.stages])
            stage = nn.Sequential()
            for index in range(cells):
                one = of_stage[self.stages]
                if isinstance(one, KnownBlock):
                    filters = make_divisible(filters, blocks.divisor(one))
                    stage.append(blocks.block(one, features, filters, pool if index == 0 else 1, network))
                    features = uniform = filters
                    continue
                names = {node: f"stage{self.stages}.{index}.{node}" for node in one.nodes[1:]}
                own = {node: widths.pop(name) for node, name in names.items() if name in widths}
                entry = pool if index == 0 else 1
                after = deeper.pop(f"stage{self.stages}.{index}", [])
                module = CellModule(one, features, filters, entry, network, own, uniform, outputs, after)
                stage.append(module)
                features, uniform = module.out_channels, module.uniform_out
            self.add_module(f"stage{self.stages}", stage)
            self.stages += 1
        if widths:
            raise UserError(
                f"network.node_widths: the network has no node {min(widths)!r}; accepted: stageS.C.N, for node N of "
                f"cell C of stage S, in {self.stages} stages"
            )
        assert not deeper, "the parameters know the cells"
        self.head: nn.Module = nn.Identity()
        if network.head_filters:
            self.head = ConvNorm(features, network.head_filters, network)
            features = network.head_filters
        self.dropout: nn.Module = nn.Dropout(network.dropout)
        self.classifier = nn.Linear(features, classes + network.background_class)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logits (B, N) of normalised images (B, C, H, W)."""
        x_BCHW = self.stem_separable(self.stem(x_BCHW))
        for stage in range(self.stages):
            x_BCHW = self.get_submodule(f"stage{stage}")(x_BCHW)
        x_BC = self.head(x_BCHW).mean((2, 3))
        logits_BN: Tensor = self.classifier(self.dropout(x_BC))
        return logits_BN


def outline(cell: Body, network: ImageNetwork, channels: int, classes: int) -> nn.Module:
    """Return the network of any body without trained weights, to count or to load weights into.

    It is a ``skeleton``; or the network that a user's own function makes for the width ``network.channel_scale``, on
    the CPU, for such a function may know no other device. Raises UserError.
    """
    if not (isinstance(cell, KnownBlock) and cell.is_entry_point):
        return skeleton(cell, network, channels, classes)
    with torch.random.fork_rng(devices=[]):
        return entry_points.module(cell.name, network.channel_scale, **_sizes(network, channels, classes))


def skeleton(cell: Body, network: ImageNetwork, channels: int, classes: int) -> CellNetwork:
    """Return the network on the ``meta`` device: all shapes, no weights. Enough to count, or to load weights into.

    Raises UserError where the cell carries an operator that no image network has.
    """
    with torch.device("meta"):
        return CellNetwork(cell, network, channels, classes)


def initialised(cell: Body, network: ImageNetwork, channels: int, classes: int, seed: int) -> nn.Module:
    """Return the network of any body, initialised, on the CPU: as ``build`` does, or as a user's own function does."""
    if not (isinstance(cell, KnownBlock) and cell.is_entry_point):
        return build(cell, network, channels, classes, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "init"))
        return entry_points.module(cell.name, network.channel_scale, **_sizes(network, channels, classes))


def _sizes(network: ImageNetwork, channels: int, classes: int) -> dict[str, int]:
    """Return the arguments of a user's own function besides the width."""
    return {"channels": channels, "classes": classes + network.background_class}


def build(cell: Body, network: ImageNetwork, channels: int, classes: int, seed: int) -> CellNetwork:
    """Return the network for images of ``channels`` channels and ``classes`` classes, initialised, on the CPU.

    Each weight tensor is drawn under its own name from ``seed``, as ``network.initialisation`` says; batch norm starts
    as the identity, biases at zero.
    """
    module = skeleton(cell, network, channels, classes)
    module.to_empty(device="cpu")
    for name, layer in module.named_modules():
        generator = seeds.torch_generator(seed, f"init/{name}.weight")
        if isinstance(layer, nn.Conv2d | nn.Linear):
            _initialise(layer, network.initialisation, generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]:
            _reset(name, layer, seeds.derive(seed, f"init/{name}"))
    return module


def _reset(name: str, layer: nn.Module, seed: int) -> None:
    """Let a layer of another package's operator draw its weights. Raises UserError where it cannot."""
    reset = getattr(layer, "reset_parameters", None)
    if reset is None or not callable(reset):
        raise UserError(
            f"{name}: a {type(layer).__name__} has weights or buffers but no reset_parameters(), so nothing "
            "initialises them; add the method"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reset()


def _initialise(layer: nn.Conv2d | nn.Linear, scheme: str, generator: torch.Generator) -> None:
    """Draw a layer's weight. Fans are Keras's, which counts a depthwise kernel's output channels as one."""
    if scheme == "glorot_normal":
        fans = (layer.weight.shape[0] + layer.weight.shape[1]) * layer.weight[0, 0].numel()
        deviation = math.sqrt(2 / fans) / TRUNCATED_DEVIATION
        nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
    elif isinstance(layer, nn.Linear):
        if scheme == "truncated_he_fan_out":
            nn.init.normal_(layer.weight, std=0.01, generator=generator)
        else:
            nn.init.xavier_uniform_(layer.weight, generator=generator)
    elif scheme == "truncated_he_fan_out":
        fan_out = layer.out_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        deviation = math.sqrt(2 / fan_out) / TRUNCATED_DEVIATION
        nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
    else:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)


def is_depthwise(layer: nn.Module) -> bool:
    """Whether ``layer`` convolves each channel by itself; with one channel, a grey image, it is an ordinary one."""
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1


def decay_groups(
    module: nn.Module, weight_decay: float, projection_weight_decay: float | None = None
) -> list[dict[str, object]]:
    """Return optimizer groups: weight decay on convolutions and the classifier, none on depthwise weights, batch norm
    and biases (paper, section 5.1). ``projection_weight_decay`` is that of residual projections, where it differs.
    """
    decays: dict[float, list[nn.Parameter]] = {weight_decay: []}
    free: list[nn.Parameter] = []
    for name, layer in module.named_modules():
        own = projection_weight_decay if ".projection." in name else None
        decayed = decays.setdefault(weight_decay if own is None else own, [])
        for parameter in layer.parameters(recurse=False):
            (free if parameter.ndim < 2 or is_depthwise(layer) else decayed).append(parameter)
    groups: list[dict[str, object]] = [{"params": found, "weight_decay": decay} for decay, found in decays.items()]
    return [group for group in [*groups, {"params": free, "weight_decay": 0.0}] if group["params"]]


def _add(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.stack(tensors).sum(0)


def _concatenate(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, 1)

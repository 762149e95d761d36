"""Parameters and MACs of an image network, counted from the paper's rules alone: no module, no library.

An independent re-statement: it knows the cell and the network's parameters, and multiplies.
"""

from dataclasses import dataclass, field

from autoshrink.cells.cell import Cell
from autoshrink.params.vision import ImageNetwork


@dataclass
class Count:
    """Running sums, without batch norm and of batch norm alone."""

    parameters: int = 0
    macs: int = 0
    norm_parameters: int = 0
    norm_macs: int = 0
    parts: list[str] = field(default_factory=list)

    def conv(self, inputs: int, outputs: int, kernel: int, side: int, groups: int = 1) -> None:
        """A convolution without bias and its batch norm, at an output resolution of side x side."""
        weights = kernel * kernel * (inputs // groups) * outputs
        self.parameters += weights
        self.macs += weights * side * side
        self.norm_parameters += 2 * outputs
        self.norm_macs += outputs * side * side


def divisible(value: float, divisor: int) -> int:
    return max(round(value / divisor), 1) * divisor


def count(cell: Cell, network: ImageNetwork, channels: int, side: int, classes: int) -> Count:
    """Count the network for images of side x side."""
    total = Count()
    features = divisible(network.stem_filters * network.channel_scale, network.channel_divisor)
    side = -(-side // network.stem_stride)
    total.conv(channels, features, 3, side)
    for scale, cells, pool in zip(network.stage_scales, network.stage_cells, network.stage_pools, strict=True):
        filters = divisible(network.base_filters * scale * network.channel_scale, network.channel_divisor)
        for index in range(cells):
            stride = pool if index == 0 else 1
            side = -(-side // stride)
            width = {0: features}
            for node in cell.nodes[1:]:
                inputs = sum(width[source] for source, target in cell.edges if target == node)
                operator = cell.operator(node)
                if operator == "separable_conv_3x3":
                    total.conv(inputs, inputs, 3, side, groups=inputs)
                    total.conv(inputs, filters, 1, side)
                else:
                    total.conv(inputs, filters, 3 if operator == "conv_3x3" else 1, side)
                width[node] = filters
            outputs = sum(width[leaf] for leaf in cell.leaves)
            if network.residual and (outputs != features or stride > 1):
                total.conv(features, outputs, 1, side)
            features = outputs
    if network.head_filters:
        total.conv(features, network.head_filters, 1, side)
        features = network.head_filters
    outputs = classes + int(network.background_class)
    total.parameters += features * outputs + outputs
    total.macs += features * outputs + outputs
    return total

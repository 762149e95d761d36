"""Small networks and arrays for tests, also as hypothesis strategies."""

from hypothesis import strategies

from autoshrink.cells.cell import Cell
from autoshrink.params.language import LanguageNetwork
from autoshrink.planner.array import Accelerator, Array, Group, joined, uniform
from autoshrink.planner.layers import Kind, Layer, Network, Source
from autoshrink.planner.readers import recurrent

FAST = Accelerator("fast", 4e12, 64e9, 2e9)
SLOW = Accelerator("slow", 1e12, 32e9, 1e9)


def layer(name: str, kind: Kind, sources: list[int], before: list[Layer], channels: int, side: int) -> Layer:
    """Return a layer that reads the whole outputs of ``sources``; a convolution or join keeps the map."""
    widths = [before[source].out_channels for source in sources] or [3]
    width = widths[0] if kind is Kind.JOIN else sum(widths)
    out = width if kind in (Kind.JOIN, Kind.DEPTHWISE) else channels
    maps = 1 if kind is Kind.DENSE else side * side
    return Layer(
        name,
        kind,
        width,
        out,
        9 if kind is Kind.DEPTHWISE else 1,
        maps,
        maps,
        tuple(Source(source, before[source].out_channels * maps) for source in sources),
        width if kind is Kind.DEPTHWISE else 1,
        bool(sources),
    )


@strategies.composite
def networks(draw: strategies.DrawFn, most: int = 6) -> Network:
    """Return a random small directed acyclic network with branches."""
    layers: list[Layer] = []
    for index in range(draw(strategies.integers(1, most))):
        kind = draw(strategies.sampled_from(list(Kind))) if index else Kind.CONVOLUTION
        count = draw(strategies.integers(1, min(index, 3))) if index else 0
        earlier = strategies.integers(0, max(0, index - 1))
        sources = sorted(draw(strategies.sets(earlier, min_size=count, max_size=count)))
        channels = draw(strategies.integers(4, 64))
        layers.append(layer(f"l{index}", kind, sources, layers, channels, draw(strategies.integers(1, 8))))
    return Network("random", draw(strategies.sampled_from([8, 32, 100])), tuple(layers))


@strategies.composite
def accelerators(draw: strategies.DrawFn) -> Accelerator:
    """Return a random accelerator."""
    speed, bandwidth = draw(strategies.integers(1, 50)), draw(strategies.integers(1, 50))
    return Accelerator(f"a{speed}-{bandwidth}", speed * 1e9, 1e12, bandwidth * 1e7)


@strategies.composite
def arrays(draw: strategies.DrawFn, most: int = 4) -> Array:
    """Return a random array of one to three kinds of device."""
    links = draw(strategies.sampled_from([None, 1]))
    groups: list[Group] = [
        uniform(draw(accelerators()), draw(strategies.integers(1, most)), links)
        for _ in range(draw(strategies.integers(1, 3)))
    ]
    return Array("random", joined(groups, links))


@strategies.composite
def recurrent_networks(draw: strategies.DrawFn, most: int = 4) -> tuple[Cell, LanguageNetwork, Network]:
    """Return a random recurrent cell of up to ``most`` nodes, what it is built into, and the unrolled network."""
    nodes = draw(strategies.integers(2, most))
    pairs = [(source, target) for target in range(1, nodes) for source in range(target)]
    edges = draw(strategies.sets(strategies.sampled_from(pairs), min_size=1))
    cell = Cell.of(["tanh"] * (nodes - 1), sorted(edges)).pruned()
    tied = draw(strategies.booleans())
    hidden = draw(strategies.integers(4, 40))
    network = LanguageNetwork(embedding=hidden if tied else draw(strategies.integers(4, 40)), hidden=hidden, tied=tied)
    steps, words = draw(strategies.integers(1, 5)), draw(strategies.integers(8, 300))
    return cell, network, recurrent.read("random", cell.canonical(), network, words, steps, 32)

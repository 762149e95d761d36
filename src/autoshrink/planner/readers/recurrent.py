"""Networks read from recurrent cells: the language model around the cell, unrolled over a sequence's time steps.

Layers are the products that training computes: the embedding, the input's part of W0 for all time steps at once, then
in every time step W0's recurrent part and one product for each node with outgoing edges, and the decoder for all time
steps at once. What stands between them works on each element: a node's state is the mean, over the edges into it, of a
blend of the source's state and the product's two halves.
"""

from autoshrink.cells.cell import Cell
from autoshrink.params.language import LanguageNetwork
from autoshrink.planner.layers import Kind, Layer, Loop, Network, Source


def read(name: str, cell: Cell, network: LanguageNetwork, vocabulary: int, steps: int, batch: int) -> Network:
    """Return the language model of a pruned cell for sequences of ``steps`` words, ``batch`` of them in a step."""
    width = network.hidden
    layers: list[Layer] = []

    def product(name: str, inputs: int, outputs: int, read: Source) -> int:
        layers.append(Layer(name, Kind.DENSE, inputs, outputs, 1, steps, steps, (read,)))
        return len(layers) - 1

    def state(name: str, *read: Source) -> int:
        layers.append(Layer(name, Kind.JOIN, width, width, 1, steps, steps, read))
        return len(layers) - 1

    def numbers(layer: int, widths: int, previous: bool = False) -> Source:
        return Source(layer, widths * width * steps, previous)

    inner = sorted(node for node in cell.nodes if cell.successors(node))
    # the last layer of the loop, which gives what the next time step starts from
    first, output = 2, 3 + 2 * len(inner) if inner else 3
    layers.append(Layer("embedding", Kind.EMBEDDING, vocabulary, network.embedding, 1, steps, steps, (), 1, False))
    projected = product("input", network.embedding, 2 * width, Source(0, network.embedding * steps))
    recurrent = product("recurrent", width, 2 * width, numbers(output, 1, previous=True))
    begun = state("node 0", numbers(projected, 2), numbers(recurrent, 2), numbers(output, 1, previous=True))
    states = {0: begun}
    products: dict[int, int] = {}

    def arriving(targets: set[int]) -> list[Source]:
        """Return what the blends of all edges into these nodes read: two widths of a product each, and the state."""
        found = []
        for node in inner:
            edges = len(targets.intersection(cell.successors(node)))
            if edges:
                found += [numbers(products[node], 2 * edges), numbers(states[node], 1)]
        return found

    for node in inner:
        if node:
            states[node] = state(f"node {node}", *arriving({node}))
        targets = len(cell.successors(node))
        products[node] = product(f"edges of {node}", width, 2 * targets * width, numbers(states[node], 1))
    if inner:
        assert state("output", *arriving(set(cell.leaves))) == output
    product("decoder", width, vocabulary, numbers(output, 1))
    last = len(layers) - 1
    if network.tied:
        layers[last] = Layer(
            "decoder", Kind.DENSE, width, vocabulary, 1, steps, steps, layers[last].sources, holds_weights=False
        )
    return Network(name, batch, tuple(layers), Loop(first, last, steps), ((0, last),) if network.tied else ())

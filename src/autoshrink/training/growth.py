"""Select the neurons and layers that a growth adds: best predicted gain per added cost, within a quota and a budget.
Torch-free."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, order=True)
class Neuron:
    """A candidate: neuron ``index`` of ``node``, split in two, or the ``index``-th new one tried there; or a layer, the
    ``index``-th after the cell that ``node`` names."""

    node: str
    kind: Literal["layer", "new", "split"]
    index: int


def select(
    gains: Mapping[Neuron, float],
    quota: int,
    added_cost: Mapping[str, int],
    cost: Callable[[Mapping[str, int]], int],
    budget: int,
    filters: Mapping[str, int] = MappingProxyType({}),
) -> list[Neuron]:
    """Return the neurons to keep, best first.

    ``gains`` are predicted decreases of the loss; a neuron predicted to harm, or to do nothing, is never kept. They
    are ranked by gain per ``added_cost`` of one neuron in their node. A neuron is skipped where ``cost``, given how
    many are added to each node, would exceed ``budget``. An addition to one of ``filters`` counts as so many neurons.
    """
    kept: list[Neuron] = []
    added: dict[str, int] = {}
    helpful = (neuron for neuron, gain in gains.items() if gain > 0)
    full: set[str] = set()
    left = quota
    for neuron in sorted(helpful, key=lambda neuron: (-gains[neuron] / max(added_cost[neuron.node], 1), neuron)):
        if left == 0:
            break
        if neuron.node in full or filters.get(neuron.node, 1) > left:
            continue
        wider = {**added, neuron.node: added.get(neuron.node, 0) + 1}
        if cost(wider) > budget:
            full.add(neuron.node)  # costs only rise: no later neuron of this node fits
            continue
        kept.append(neuron)
        left -= filters.get(neuron.node, 1)
        added = wider
    return kept


def counts(neurons: Iterable[Neuron]) -> dict[str, int]:
    """Return how many neurons each node gets."""
    found: dict[str, int] = {}
    for neuron in neurons:
        found[neuron.node] = found.get(neuron.node, 0) + 1
    return found

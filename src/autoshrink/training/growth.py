"""Select the neurons that a growth adds: best predicted gain per added cost, within a quota and a budget.
Torch-free."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Neuron:
    """A candidate: neuron ``index`` of ``node``, split in two, or the ``index``-th new one tried there."""

    node: str
    kind: Literal["new", "split"]
    index: int


def select(
    gains: Mapping[Neuron, float],
    quota: int,
    added_cost: Mapping[str, int],
    cost: Callable[[Mapping[str, int]], int],
    budget: int,
) -> list[Neuron]:
    """Return the neurons to keep, best first.

    ``gains`` are predicted decreases of the loss; a neuron predicted to harm, or to do nothing, is never kept. They
    are ranked by gain per ``added_cost`` of one neuron in their node. A neuron is skipped where ``cost``, given how
    many are added to each node, would exceed ``budget``.
    """
    kept: list[Neuron] = []
    added: dict[str, int] = {}
    helpful = (neuron for neuron, gain in gains.items() if gain > 0)
    full: set[str] = set()
    for neuron in sorted(helpful, key=lambda neuron: (-gains[neuron] / max(added_cost[neuron.node], 1), neuron)):
        if len(kept) == quota:
            break
        if neuron.node in full:
            continue
        wider = {**added, neuron.node: added.get(neuron.node, 0) + 1}
        if cost(wider) > budget:
            full.add(neuron.node)  # costs only rise: no later neuron of this node fits
            continue
        kept.append(neuron)
        added = wider
    return kept


def counts(neurons: Iterable[Neuron]) -> dict[str, int]:
    """Return how many neurons each node gets."""
    found: dict[str, int] = {}
    for neuron in neurons:
        found[neuron.node] = found.get(neuron.node, 0) + 1
    return found

"""Score the missing edges of a trained candidate's cell: edges as neurons (Wu et al. 2020, Firefly descent).

Where nodes concatenate their inputs, a missing edge i -> j is a missing slice of j's input weights. All missing edges
are attached at once, each behind a gate that all of the network's cells share, and only their slices are tuned.

Shapes: B batch, N images, C channels, H height, W width.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from autoshrink.cells.cell import Cell, Edge
from autoshrink.params.vision import ImageProxy
from autoshrink.records.evaluation import EdgeGain, TrialResult
from autoshrink.runtime import devices, seeds
from autoshrink.tasks.vision import network
from autoshrink.tasks.vision.feeds import Batch
from autoshrink.tasks.vision.overgrown import POINTS, Overgrown, layers
from autoshrink.tasks.vision.proxy import ImageTrial, ProxyData
from autoshrink.training.history import finite


def missing(cell: Cell) -> list[Edge]:
    """Return the edges between the cell's nodes that it lacks and that leave its leaves leaves, ascending.

    An edge out of a leaf would take the leaf out of the cell's output: no addition without effect.
    """
    sources = [node for node in cell.nodes if node not in cell.leaves]
    return [(i, j) for i in sources for j in cell.nodes if i < j and (i, j) not in cell.edges]


class EdgeTrial(ImageTrial):
    """A candidate's training, whose result says by how much each missing edge is predicted to lower the loss."""

    def __init__(
        self,
        cell: Cell,
        proxy: ImageProxy,
        data: ProxyData,
        seed: int,
        device: torch.device,
        deterministic: bool,
        tuning_epochs: int,
    ) -> None:
        """Build the candidate's network; slices of missing edges are tuned for ``tuning_epochs``."""
        super().__init__(cell, proxy, data, seed, device, deterministic)
        self._cell, self._tuning_epochs = cell, tuning_epochs

    def result(self) -> TrialResult:
        """Return what training came to, with the gains of the missing edges; those are None where it diverged.

        Images of the training part alone are used: ``tuning_epochs`` passes to tune, at most one to score.
        """
        found = super().result()
        edges = missing(self._cell)
        gains: Sequence[float | None] = [None] * len(edges)
        if edges and found.metrics["best_epoch"] is not None:
            tf32 = self._proxy.training.precision == "tf32"
            with devices.kernels(self._device, deterministic=self._deterministic, tf32=tf32):
                gains = [finite(gain) for gain in self._gains(edges)]
        scored = tuple(EdgeGain(edge=edge, gain=gain) for edge, gain in zip(edges, gains, strict=True))
        return found.model_copy(update={"edges": scored})

    def _gains(self, edges: Sequence[Edge]) -> list[float]:
        grown = attached(self._cell, self._proxy, self._data, self._module, edges, self._seed, self._device)
        per_epoch = len(self._order_N) // self._proxy.training.batch_size
        batches, loss = self._batches(), nn.CrossEntropyLoss()
        grown.tune(islice(batches, self._tuning_epochs * per_epoch), loss)
        return grown.gains(list(islice(batches, max(1, per_epoch // POINTS))), loss)

    def _batches(self) -> Iterator[Batch]:
        """Yield training images (B, C, H, W) and labels (B,) without end, in orders of their own."""
        size, epoch = self._proxy.training.batch_size, 0
        while True:
            generator = seeds.torch_generator(self._seed, f"edges/epoch/{epoch}/order")
            order_N = torch.randperm(len(self._order_N), generator=generator).to(self._device)
            for rows_B in torch.split(order_N, size)[: len(order_N) // size]:
                yield self._normalise(self._data.train_images_NHWC[rows_B]), self._data.train_labels_N[rows_B]
            epoch += 1


def attached(
    cell: Cell,
    proxy: ImageProxy,
    data: ProxyData,
    module: nn.Module,
    edges: Sequence[Edge],
    seed: int,
    device: torch.device,
) -> Overgrown:
    """Return the network of ``module`` with ``edges`` attached, gate by gate in their order."""
    more = Cell(cell.nodes, cell.operators, tuple(sorted([*cell.edges, *edges])))
    wide = network.skeleton(more, proxy.network, data.train_images_NHWC.shape[3], data.classes)
    with device:
        listed = list(layers(wide, {}, {edge: gate for gate, edge in enumerate(edges)}))
    state = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return Overgrown(wide, listed, state, len(edges), seeds.derive(seed, "edges"), device)

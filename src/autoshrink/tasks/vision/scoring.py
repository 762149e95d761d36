"""Loss and accuracy of a network over a whole split.

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, distributed, nn

from autoshrink.tasks.vision.feeds import Batch


@torch.no_grad()
def score(
    module: nn.Module,
    batches: Iterable[Batch],
    label_offset: int,
    autocast: torch.autocast,
    watch: Callable[[Tensor, Tensor, Tensor], None] | None = None,
) -> dict[str, float]:
    """Return ``loss`` (nats), ``accuracy_top1`` and ``accuracy_top5`` over all processes' batches.

    ``label_offset`` is 1 where the classifier's first output is the background. With fewer than 5 outputs N, top-5 is
    top-N. ``watch`` is called with every batch's images, labels and logits.
    """
    module.eval()
    sums: Tensor | None = None
    count = 0
    for x_BCHW, labels_B in batches:
        targets_B = labels_B + label_offset
        with autocast:
            logits_BN = module(x_BCHW).float()
        if watch:
            watch(x_BCHW, labels_B, logits_BN)
        best_B5 = logits_BN.topk(min(5, logits_BN.shape[1])).indices
        hits_B5 = best_B5 == targets_B[:, None]
        loss = nn.functional.cross_entropy(logits_BN, targets_B, reduction="sum")
        part = torch.stack([loss.double(), hits_B5[:, 0].sum().double(), hits_B5.sum().double()])
        sums = part if sums is None else sums + part
        count += len(labels_B)
    if sums is None:  # more processes than batches
        sums = torch.zeros(3, dtype=torch.float64, device=next(module.parameters()).device)
    sums = torch.cat([sums, sums.new_full((1,), count)])
    if distributed.is_initialized():
        distributed.all_reduce(sums)
    loss_sum, top1, top5, count = sums.tolist()
    return {"loss": loss_sum / count, "accuracy_top1": top1 / count, "accuracy_top5": top5 / count}

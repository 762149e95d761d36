"""Batch norm synchronised across processes: torch's SyncBatchNorm on CUDA, and an equivalent for CPUs.

Shapes: B batch, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance, while training, are those of all processes' images."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise by all processes' images, however many each has."""
        if not self.training:
            return super().forward(x_BCHW)
        own = x_BCHW.new_tensor([x_BCHW.numel() // x_BCHW.shape[1]])
        summed = all_reduce(torch.cat([x_BCHW.sum((0, 2, 3)), own]))  # type: ignore[no-untyped-call]
        count = summed[-1].detach()
        mean_C = summed[:-1] / count
        centred_BCHW = x_BCHW - mean_C[:, None, None]
        variance_C = all_reduce(centred_BCHW.square().sum((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        assert self.momentum is not None and self.running_mean is not None
        assert self.running_var is not None and self.num_batches_tracked is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(variance_C * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale_C = self.weight * (variance_C + self.eps).rsqrt()
        y_BCHW: Tensor = centred_BCHW * scale_C[:, None, None] + self.bias[:, None, None]
        return y_BCHW


def synchronise(module: nn.Module, device: torch.device) -> None:
    """Replace every BatchNorm2d in ``module``, in place, by one over all processes; names and weights stay."""
    kind = nn.SyncBatchNorm if device.type == "cuda" else CpuSyncBatchNorm
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            layer = kind(child.num_features, child.eps, child.momentum)
            layer.load_state_dict(child.state_dict())
            setattr(module, name, layer)
        else:
            synchronise(child, device)

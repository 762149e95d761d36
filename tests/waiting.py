"""What makes the host wait for a CUDA device, found on any device."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "lift_fresh", "equal")


class NoWaiting(TorchDispatchMode):
    """Raises where a number is read back, brought from the host, or a shape depends on what a tensor holds."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.overloadpacket.__name__ not in WAITS, f"{func} waits"
        return func(*args, **(kwargs or {}))

"""Image classification: data, networks, proxy, full training and test."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoshrink.tasks.vision.network import CellModule, CellNetwork

__all__ = ["CellModule", "CellNetwork"]

_HOMES = {"CellModule": "autoshrink.tasks.vision.network", "CellNetwork": "autoshrink.tasks.vision.network"}


def __getattr__(name: str) -> Any:
    """Import a module of networks, and with it torch, only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

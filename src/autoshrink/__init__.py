"""AutoShrink: discover efficient neural architectures by shrinking the edges of a cell's DAG.

After Zhang et al., "AutoShrink: A Topology-aware NAS for Discovering Efficient Neural Architecture",
AAAI 2020 (arXiv 1911.09251).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoshrink.cells.cell import Cell
    from autoshrink.inference.models import load_model

__version__ = "0.2.0"
__all__ = ["Cell", "load_model"]

_HOMES = {"Cell": "autoshrink.cells.cell", "load_model": "autoshrink.inference.models"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: ``import autoshrink`` alone brings nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'autoshrink' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

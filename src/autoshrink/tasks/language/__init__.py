"""Language models from cells: text, recurrent network, proxy, full training, test (paper, sections 4 and 5).

Knows nothing of how cells are searched for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoshrink.tasks.language.cell import RecurrentCell
    from autoshrink.tasks.language.network import LanguageModel

__all__ = ["LanguageModel", "RecurrentCell"]

_HOMES = {"LanguageModel": "autoshrink.tasks.language.network", "RecurrentCell": "autoshrink.tasks.language.cell"}


def __getattr__(name: str) -> Any:
    """Import a module of networks, and with it torch, only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

"""All parameters of the pipeline, typed, bounded and validated once, before any job starts.

One section per file; ``Parameters`` joins them, and takes the sections of each task from the task's description. The
JSON schema and the reference page are generated from these types. Knows nothing of torch, so that every verb can load
it in no time.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoshrink.params.loading import freeze, frozen_path, json_schema, load
    from autoshrink.params.root import Parameters

__all__ = ["Parameters", "freeze", "frozen_path", "json_schema", "load"]


def __getattr__(name: str) -> Any:
    """Import the parameters when first asked for: tasks import single sections, and the parameters import the tasks."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{'root' if name == 'Parameters' else 'loading'}"), name)

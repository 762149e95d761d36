"""Every knob of the pipeline, typed, bounded and validated once, before any job starts.

One section per file; ``Parameters`` joins them. The JSON schema and the reference page are generated from these types.
Knows nothing of torch, so that every verb can load it in no time.
"""

from autoshrink.params.loading import freeze, frozen_path, json_schema, load
from autoshrink.params.root import Parameters

__all__ = ["Parameters", "freeze", "frozen_path", "json_schema", "load"]

"""Addresses of prepared data: a folder per source, settings, seed and code, so no run overwrites another's data."""

import hashlib
import json
from pathlib import Path

from autoshrink.params import Parameters
from autoshrink.tasks import code

MANIFEST = "manifest.json"
LENGTH = 12


def of(parameters: Parameters, name: str) -> str:
    """Return 12 hexadecimal digits of what the data set is made from: its entry in ``datasets``, the seed, the code.

    Raw data is no part of them: its digests stand in the manifest, and are checked whenever the data is read.
    """
    entry = parameters.datasets[name]
    made_from = [entry.model_dump(mode="json"), parameters.seed, code.digest(entry.task, "prepare")]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:LENGTH]


def folder_name(name: str, address: str) -> str:
    """Return the folder's name; the data set's comes first, for people."""
    return f"{name}-{address}"


def folder(parameters: Parameters, name: str, data: Path | None = None) -> Path:
    """Return the folder that the data set ``name`` is prepared in, inside ``paths.data`` or another ``data``."""
    return (data or Path(parameters.paths.data)) / folder_name(name, of(parameters, name))


def manifest(parameters: Parameters, name: str) -> Path:
    """Return the manifest that vouches for the prepared data set ``name``."""
    return folder(parameters, name) / MANIFEST

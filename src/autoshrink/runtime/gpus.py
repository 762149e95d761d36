"""NVIDIA GPUs as the system shows them, before torch or CUDA is asked: none is woken, and torch is not imported."""

import os
from pathlib import Path


def count() -> int:
    """Return how many GPUs this process may use: those made visible to it, else those that have a device file."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(files())


def in_sight() -> list[str]:
    """Return the device files of GPUs that nothing hides from this process."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all").split(",")[0].strip() in ("", "-1")
    return [] if hidden else files()


def files() -> list[str]:
    """Return the paths of the GPUs' device files."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))

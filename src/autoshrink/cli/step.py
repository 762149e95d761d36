"""What every step that makes an artifact does around its work: time it, and keep the timing beside the artifact."""

import contextlib
import datetime
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoshrink import artifacts


@contextlib.contextmanager
def timed(out: Path) -> Iterator[dict[str, Any]]:
    """Write ``out``'s timing when the block ends well; the block may add facts of its own to the yielded dict."""
    facts: dict[str, Any] = {"started": _now(), "host": platform.node()}
    start = time.perf_counter()
    yield facts
    artifacts.write_timing(out, {**facts, "ended": _now(), "seconds": round(time.perf_counter() - start, 3)})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

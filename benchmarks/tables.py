"""Tables of measurements: CSV files that grow by whole rows."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def append(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Append rows, and the heading before the first; they are on the disk afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())

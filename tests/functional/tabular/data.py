"""Tables in prepared form: standardised rows and labels under a sealed manifest.

Shapes: N rows, F features.
"""

from pathlib import Path
from typing import Any

from autoshrink.runtime import seeds
from autoshrink.tasks.address import MANIFEST
from autoshrink.tasks.prepared import PreparedData, save

from .parameters import Wine
from .records import TableManifest


class PreparedTable(PreparedData[TableManifest]):
    """A prepared table."""

    def split(self, name: str) -> tuple[Any, Any]:
        """Return a split's rows (N, F), float32, and labels (N,), int64."""
        return self.array(f"{name}_rows.npy"), self.array(f"{name}_labels.npy")


def prepare(name: str, entry: Wine, folder: Path, seed: int) -> None:
    """Write both splits, then the manifest."""
    from sklearn.datasets import load_wine

    table = load_wine()
    order = seeds.shuffled(seed, f"data/{name}/test-split", range(len(table.target)))
    splits = {"test": order[: entry.test_rows], "train": order[entry.test_rows :]}
    rows_NF = table.data.astype("float32")
    mean_F, deviation_F = rows_NF[splits["train"]].mean(0), rows_NF[splits["train"]].std(0)
    digests = {}
    for split, chosen in splits.items():
        for part, array in (("rows", (rows_NF[chosen] - mean_F) / deviation_F), ("labels", table.target[chosen])):
            file = f"{split}_{part}.npy"
            digests[file] = save(folder / file, array)
    TableManifest(
        name=name,
        task=entry.task,
        source=entry.source,
        source_version="scikit-learn",
        settings=entry.model_dump(mode="json"),
        files=digests,
        features=rows_NF.shape[1],
        classes=tuple(str(label) for label in table.target_names),
        counts={split: len(chosen) for split, chosen in splits.items()},
    ).write(folder / MANIFEST)


def load(folder: Path) -> PreparedTable:
    """Return a prepared table. Raises ArtifactError where there is none."""
    return PreparedTable.load(folder, TableManifest)

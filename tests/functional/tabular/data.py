"""Tables in prepared form: standardised rows and labels under a sealed manifest.

Shapes: N rows, F features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoshrink.files import artifacts, prepared
from autoshrink.runtime import seeds

from .parameters import Wine

KIND, VERSION = "dataset", 1


@dataclass(frozen=True)
class PreparedTable:
    """A prepared table."""

    folder: Path
    manifest: dict[str, Any]
    digest: str

    def split(self, name: str) -> tuple[Any, Any]:
        """Return a split's rows (N, F), float32, and labels (N,), int64."""
        rows_NF, labels_N = (
            prepared.array(self.folder, self.manifest, f"{name}_{part}.npy") for part in ("rows", "labels")
        )
        return rows_NF, labels_N


def prepare(name: str, entry: Wine, folder: Path, seed: int) -> None:
    """Write both splits, then the manifest."""
    from sklearn.datasets import load_wine

    table = load_wine()
    order = seeds.shuffled(seed, f"data/{name}/test-split", range(len(table.target)))
    splits = {"test": order[: entry.test_rows], "train": order[entry.test_rows :]}
    rows_NF = table.data.astype(np.float32)
    mean_F, deviation_F = rows_NF[splits["train"]].mean(0), rows_NF[splits["train"]].std(0)
    digests = {}
    for split, chosen in splits.items():
        for part, array in (("rows", (rows_NF[chosen] - mean_F) / deviation_F), ("labels", table.target[chosen])):
            file = f"{split}_{part}.npy"
            with artifacts.replacing(folder / file) as handle:
                np.save(handle, array, allow_pickle=False)
            digests[file] = artifacts.digest_of_file(folder / file)
    manifest = {
        "name": name,
        "task": "tabular",
        "source": entry.source,
        "source_version": "scikit-learn",
        "settings": entry.model_dump(mode="json"),
        "files": digests,
        "features": rows_NF.shape[1],
        "classes": [str(label) for label in table.target_names],
        "counts": {split: len(chosen) for split, chosen in splits.items()},
    }
    artifacts.write_sealed(folder / "manifest.json", KIND, VERSION, manifest)


def load(folder: Path) -> PreparedTable:
    """Return a prepared table. Raises ArtifactError where there is none."""
    path = folder / "manifest.json"
    return PreparedTable(folder, artifacts.read_sealed(path, KIND, VERSION), artifacts.digest_of_file(path))

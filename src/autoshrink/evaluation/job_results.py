"""The results of one evaluation job: its slots' complete evaluations, so that reading a run needs no store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoshrink.files import artifacts

KIND, VERSION = "evaluations", 1


def write(path: Path, proposal: Mapping[str, Any], evaluations: Mapping[int, Mapping[str, Any]]) -> None:
    """Write the evaluations of some of the proposal's slots."""
    body = {key: proposal[key] for key in ("task", "search", "round")}
    listed = {str(slot): dict(evaluation) for slot, evaluation in sorted(evaluations.items())}
    artifacts.write_sealed(path, KIND, VERSION, {**body, "evaluations": listed})


def read(paths: Sequence[Path]) -> dict[int, dict[str, Any]]:
    """Return the evaluations in these files by slot. Raises ArtifactError."""
    found: dict[int, dict[str, Any]] = {}
    for path in paths:
        for slot, evaluation in artifacts.read_sealed(path, KIND, VERSION)["evaluations"].items():
            found[int(slot)] = evaluation
    return found

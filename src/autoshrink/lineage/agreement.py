"""Check that the store and a run agree about an evaluation: one key, one set of numbers.

An evaluation stands in the store and, whole, in the file of each job that took it. Both can be resealed with their
records by somebody who alters one; then they differ from each other, which everybody who reads one of them looks for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.lineage import records, telling
from autoshrink.lineage.records import Record
from autoshrink.params.base import Task
from autoshrink.records.evaluation import MEASURED, Evaluation
from autoshrink.workflow.layout import stored_evaluation

_KEY = re.compile("[0-9a-f]{64}")


def taken(record: Record) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the evaluations that an evaluation job took, each with its place in the store."""
    if record.store is None:
        return
    listed = telling.content_of(record.artifact).get("evaluations")
    for evaluation in listed.values() if isinstance(listed, dict) else ():
        key = evaluation.get("key") if isinstance(evaluation, dict) else None
        if isinstance(key, str) and _KEY.fullmatch(key):
            yield stored_evaluation(record.store, key), evaluation


def agree(taken: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Return whether a job's evaluation is the store's, less what the job added: measured costs, and the final
    network's width."""
    if not isinstance(costs := taken.get("costs"), dict) or not isinstance(stored := kept.get("costs"), dict):
        return False
    same = {name: value for name, value in costs.items() if name in stored or name not in MEASURED}
    return {**{name: value for name, value in taken.items() if name != "fitted"}, "costs": same} == dict(kept)


def conflicts(record: Record) -> list[Path]:
    """Return the store's intact evaluations that hold other numbers than the job of ``record`` took from them."""
    return [path for path, evaluation in taken(record) if (kept := _intact(path)) and not agree(evaluation, kept)]


def check(found: Iterable[Record]) -> None:
    """Raise ArtifactError, in one line, where a job of these records and the store disagree about an evaluation."""
    for line in disagreements(found):
        raise ArtifactError(line)


def disagreements(found: Iterable[Record]) -> Iterator[str]:
    """Yield a line for each evaluation that a job of these records and the store disagree about."""
    for record in found:
        yield from (_told(path, record.artifact) for path in conflicts(record))


def check_files(jobs: Iterable[Path]) -> None:
    """Do what ``check`` does for evaluation jobs' files. One without a readable record names no store."""
    for path in jobs:
        try:
            record = records.read(records.path_of(path))
        except ArtifactError:
            continue
        check([record])


class Jobs:
    """The evaluation jobs of a results folder, to ask what they took under a key; each file is read once."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._read: dict[Path, bytes] | None = None

    def check(self, evaluation: Evaluation, path: Path) -> None:
        """Raise ArtifactError where a job took other numbers than ``evaluation``, the store's file ``path``, holds."""
        kept = evaluation.to_json()
        for job, content in self._files().items():
            if evaluation.key.encode() not in content:
                continue
            listed = telling.content_of(job).get("evaluations")
            for item in listed.values() if isinstance(listed, dict) else ():
                if isinstance(item, dict) and item.get("key") == evaluation.key and not agree(item, kept):
                    raise ArtifactError(_told(path, job))

    def _files(self) -> dict[Path, bytes]:
        if self._read is None:
            paths = (path for task in Task for path in (self._results / task).glob("*/*/evaluations-*.json"))
            self._read = {path: _bytes(path) for path in sorted(paths) if not records.is_beside(path)}
        return self._read


def _intact(path: Path) -> Json | None:
    """Return a stored evaluation; None where there is none or it is damaged, which ``verify`` names."""
    try:
        return artifacts.read_sealed(path, Evaluation.KIND, Evaluation.VERSION)
    except ArtifactError:
        return None


def _bytes(path: Path) -> bytes:
    try:
        with artifacts.opened(path) as file:
            return file.read(artifacts.LARGEST_JSON)
    except OSError:
        return b""


def _told(path: Path, job: Path) -> str:
    shown = records.relative(job, Path.cwd())
    return (
        f"{path}: holds other numbers than {shown} took from it; one of both was altered: compare them, then "
        "remove the store's to keep the run's, or the run's to have it made from the store's"
    )

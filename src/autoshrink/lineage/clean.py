"""Remove a run: the files its records list, if unchanged. Other files stay."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import records, verify
from autoshrink.lineage.graph import STORED, Run
from autoshrink.lineage.records import Record
from autoshrink.params.base import Task
from autoshrink.records import curves, submission
from autoshrink.workflow.layout import Layout


@dataclass(frozen=True)
class Cleaned:
    """What a cleaning did: how many files went, which stayed (altered since, or never recorded), and the data sets that
    stayed whole, each with the results folder of another run that reads it."""

    count: int
    left: tuple[Path, ...]
    shared: tuple[tuple[Path, Path], ...]


def clean(run: Run, data: Iterable[Path] = ()) -> Cleaned:
    """Remove a run's results, and the data it had prepared in the folders ``data``, unless another run reads that.

    Other runs are looked for in the working folder. The store, which runs share, stays.
    """
    chosen = [folder.resolve() for folder in data]
    folders = [folder for folder in run.folders[1:] if folder.name not in STORED and _is_inside(folder, chosen)]
    shared = _shared(run, folders) if folders else {}
    folders = [run.results, *(folder for folder in folders if folder not in shared)]
    own = [folder.resolve() for folder in folders]
    steps = [record for record in run.records.values() if any(record.path.is_relative_to(place) for place in folders)]
    gone = [path for record in steps for path in _written(record)] + _unrecorded(run, steps)
    count = 0
    for path in gone:
        if path.is_file() and not path.is_symlink() and _is_inside(path, own):
            path.unlink()
            count += 1
    for place in folders:
        _remove_empty(place)
    left = tuple(path for place in folders for path in sorted(place.rglob("*")) if not path.is_dir())
    return Cleaned(count, left, tuple(shared.items()))


def _shared(run: Run, folders: Iterable[Path]) -> dict[Path, Path]:
    """Return which of these data folders a record outside the run names as its input, and that record's folder."""
    names = {folder.name.encode(): folder for folder in folders}
    found: dict[Path, Path] = {}
    for path in _records_here():
        if any(path.is_relative_to(folder) for folder in run.folders):
            continue
        try:
            read = {folder for file in records.read(path).inputs for folder in file.resolve().parents}
            users = [folder for folder in names.values() if folder.resolve() in read]
        except (ArtifactError, OSError):  # damaged: what it may have read is not known, so its words decide
            users = _named_in(path, names)
        for folder in users:
            found.setdefault(folder, _results_of(path))
    return found


def _named_in(path: Path, names: dict[bytes, Path]) -> list[Path]:
    try:
        with artifacts.opened(path) as file:
            raw = file.read(artifacts.LARGEST_JSON)
    except OSError:
        return []
    return [folder for name, folder in names.items() if name in raw]


def _records_here() -> Iterator[Path]:
    """Yield all record files below the working folder; hidden folders, such as environments, hold none."""
    for root, names, files in os.walk(Path.cwd()):
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(files) if name.endswith(records.SUFFIX))


def _results_of(record: Path) -> Path:
    """Return the folder of the run that a record is of: the one above its task's, or else the record's own."""
    return next((parent.parent for parent in record.parents if parent.name in (*Task, "report")), record.parent)


def _written(record: Record) -> list[Path]:
    found = [path for path, digest in record.outputs.items() if _has(path, digest)]
    found += [record.path, artifacts.timing_path(record.artifact)]
    if record.verb == "train":
        tensors = sorted((record.path.parent / "checkpoints").glob("step-" + "[0-9]" * 9 + ".*"))
        found += [path for path in tensors if path.suffix in (".json", ".safetensors")]
    return found


def _has(path: Path, digest: str) -> bool:
    try:
        return artifacts.digest_of_file(path) == digest
    except OSError:
        return False


def _unrecorded(run: Run, steps: Iterable[Record]) -> list[Path]:
    """Return what stands beside results and has no record of its own: the parameters' snapshots, and the logs of
    steps that are recorded."""
    found = [path for path in sorted((run.results / "params").glob("params-*.yaml")) if verify.is_snapshot(path)]
    layout = Layout(run.results, run.results, run.results)
    for record in steps:
        for names in filter(None, _log_names(record, run.results)):
            log = layout.log(*names)
            found += [log, *(log.with_name(f"{log.name}.{kept}") for kept in ("mistake", "earlier", "now"))]
            found += [layout.progress(*names), submission.beside(log)]
            found += curves.written(layout.logs.joinpath(*names[:-1], "tensorboard"))
    return list(dict.fromkeys(found))


def _log_names(record: Record, results: Path) -> Iterator[list[str]]:
    """Yield the names that a step's log may have (workflow/rules): after its verb, its artifact or the
    folder of that."""
    if record.verb == "prepare":
        yield [f"prepare-{record.path.parent.name}"]
        return
    folders = list(record.path.parent.relative_to(results).parts)
    job = record.artifact.stem.replace("evaluations-", f"{record.verb}-")
    yield from ([*folders, record.verb], [*folders, record.artifact.stem], [*folders, job], folders)
    if len(folders) > 1:
        yield [*folders[:-1], record.verb]
    if folders[:1] in (["report"], ["study"]):
        yield [*folders[1:], record.verb]


def _is_inside(path: Path, own: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in own)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()

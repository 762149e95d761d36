"""Remove a run: the files its records list, if unchanged. Other files stay."""

from collections.abc import Iterable
from pathlib import Path

from autoshrink.files import artifacts
from autoshrink.lineage import verify
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record


def clean(run: Run, own: Iterable[Path] = ()) -> tuple[int, list[Path]]:
    """Remove a run's results, and its prepared data inside the folders ``own``; the store, shared by runs, stays.

    Returns how many files went, and the files left in these folders: altered since, or never recorded.
    """
    own = [folder.resolve() for folder in (run.results, *own)]
    folders = [folder for folder in run.folders if folder.name != "evaluations" and _is_inside(folder, own)]
    steps = [record for record in run.records.values() if any(record.path.is_relative_to(place) for place in folders)]
    gone = [path for record in steps for path in _written(record)] + _unrecorded(run.results)
    count = 0
    for path in gone:
        if path.is_file() and not path.is_symlink() and _is_inside(path, own):
            path.unlink()
            count += 1
    for place in folders:
        _remove_empty(place)
    return count, [path for place in folders for path in sorted(place.rglob("*")) if not path.is_dir()]


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


def _unrecorded(results: Path) -> list[Path]:
    """Return what is kept beside results and has no record: logs, benchmarks, the parameters' snapshots."""
    found = [path for path in sorted((results / "params").glob("params-*.yaml")) if verify.is_snapshot(path)]
    for folder, suffixes in (("logs", (".log", ".mistake", ".jsonl")), ("benchmarks", (".tsv",))):
        found += [path for path in sorted((results / folder).rglob("*")) if path.suffix in suffixes]
    return found


def _is_inside(path: Path, own: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in own)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()

"""The provenance graph of a run, from its records: which artifact was made from which, back to the raw data."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.lineage.records import Record
from autoshrink.params.base import Task

# Folders of the store, which runs share.
STORED = ("evaluations", "measurements")
# Kept beside results by the workflow or by DVC's stages, and no artifacts: nothing depends on them.
# Runs of earlier versions have benchmarks too.
UNTRACED = ("logs", "benchmarks", "packs", ".snakemake")


@dataclass(frozen=True)
class Run:
    """A results folder, and the data and store folders that its records lead to.

    ``folders`` holds all of them, results first; ``records`` the intact records by their own path, and ``damaged`` why
    the others cannot be read.
    """

    results: Path
    folders: tuple[Path, ...]
    records: Mapping[Path, Record]
    damaged: Mapping[Path, str]

    @cached_property
    def producers(self) -> dict[Path, Record]:
        """The record of each recorded file."""
        return {path: record for record in self.records.values() for path in record.outputs}

    @cached_property
    def cycle(self) -> tuple[Path, ...]:
        """The records that depend on themselves, in order of name: none, unless somebody has tampered with them."""
        left = {path: {item.path for item in self.parents(record)} for path, record in self.records.items()}
        # take away what depends on nothing that is left, then what nothing that is left depends on: cycles stay
        for _ in range(2):
            children: dict[Path, list[Path]] = {}
            for path, before in left.items():
                for item in before:
                    children.setdefault(item, []).append(path)
            free = [path for path, before in left.items() if not before]
            for path in free:  # grows while more becomes free
                del left[path]
                for child in children.get(path, ()):
                    left[child].discard(path)
                    if not left[child]:
                        free.append(child)
            turned: dict[Path, set[Path]] = {path: set() for path in left}
            for path, before in left.items():
                for item in before:
                    turned[item].add(path)
            left = turned
        return tuple(sorted(left))

    def ancestors(self, record: Record) -> list[Record]:
        """Return the records that ``record`` depends on, itself last, each after all that it depends on.

        Where records depend on themselves in a circle, each still comes once.
        """
        order: dict[Path, Record] = {}
        opened: set[Path] = set()
        waiting: list[tuple[Record, bool]] = [(record, False)]
        while waiting:  # no recursion: a search of many rounds is a long chain
            current, is_complete = waiting.pop()
            if is_complete:
                order[current.path] = current
            elif current.path not in opened:
                opened.add(current.path)
                waiting.append((current, True))
                waiting += [(before, False) for before in reversed(self.parents(current)) if before.path not in opened]
        return list(order.values())

    def origins(self, record: Record) -> tuple[list[Record], list[Path]]:
        """Return what ``ancestors`` does, less the records of files that were regenerated since; and these files.

        A record counts when it says that its step wrote the very bytes that the next step read.
        """
        known: dict[Path, Record] = {}
        overwritten: set[Path] = set()
        waiting = [record]
        for current in waiting:  # grows while records lead further back
            if current.path in known:
                continue
            known[current.path] = current
            for path, digest in current.inputs.items():
                before = self.producers.get(path)
                if before is None or before.outputs[path] == digest:
                    waiting += [before] if before is not None else []
                else:
                    overwritten.add(path)
        return [item for item in self.ancestors(record) if item.path in known], sorted(overwritten)

    def parents(self, record: Record) -> list[Record]:
        """Return the records of a record's inputs, each once, in the order of the inputs' names."""
        found = (self.producers.get(path) for path in sorted(record.inputs))
        return list({item.path: item for item in found if item is not None and item is not record}.values())

    def of(self, artifact: Path) -> Record:
        """Return the record of an artifact: a file, a folder such as ``model/`` or a record itself.

        Raises ArtifactError when there is none.
        """
        path = records.absolute(artifact)
        candidates = [path, *(path / name for name in ("model.json", "manifest.json"))]
        for candidate in candidates:
            if candidate in self.producers:
                return self.producers[candidate]
        for beside in (path, records.path_of(path), *(path.parent.glob(f"{path.name}/*{records.SUFFIX}"))):
            if beside in self.records:
                return self.records[beside]
        raise ArtifactError(f"{artifact}: no lineage record says how it was made; expected an artifact of a run")


def read(results: Path) -> Run:
    """Read all records of the run in ``results``, and those of the data and the store that it used.

    Raises ArtifactError when there is no run; damaged records are kept apart, with what is wrong.
    """
    root = records.absolute(results)
    if not root.is_dir():
        raise ArtifactError(f"{results}: there is no such folder; give a run's results folder")
    found: dict[Path, Record] = {}
    damaged: dict[Path, str] = {}
    folders = [root]
    for folder in folders:  # grows while records lead further
        for path in walk(folder):
            if path.name.endswith(records.SUFFIX):
                try:
                    found[path] = records.read(path)
                except ArtifactError as error:
                    damaged[path] = str(error)
                else:
                    folders += [other for other in _leads(found[path]) if not _is_within(other, folders)]
    return Run(root, tuple(folders), found, damaged)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files under ``folder`` in order of name, less what is no artifact.

    Folders behind symbolic links are walked too, each once, so that links in a circle end.
    """
    seen: set[tuple[int, int]] = set()
    for root, names, files in os.walk(folder, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            names.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # nor is the folder that a data set is being prepared in
        names[:] = sorted(name for name in names if name not in UNTRACED and not artifacts.TEMPORARY.match(name))
        for name in sorted(files):
            yield Path(root, name)


def run_of(artifact: Path) -> Path:
    """Return the results folder that an artifact belongs to: the folder above its task's, or its own.

    ``results/cnn/shrink-0/best.json`` belongs to ``results``; data and evaluations belong to their own folder.
    """
    path = records.absolute(artifact)
    for parent in path.parents:
        if parent.name in (*Task, "report"):
            return parent.parent
    return path if path.is_dir() else path.parent


def _leads(record: Record) -> list[Path]:
    folders = [path.parent for path in record.inputs if path.name == "manifest.json" and _is_prepared(path)]
    if record.store is not None and record.store.is_dir():
        folders += [record.store / name for name in STORED if name == STORED[0] or (record.store / name).is_dir()]
    return list(dict.fromkeys(folders))


def _is_prepared(manifest: Path) -> bool:
    """Return whether a prepared data set is, or was, here: what a record merely names may be any folder at all."""
    return records.path_of(manifest).is_file() or (manifest.is_file() and artifacts.is_sealed(manifest))


def _is_within(folder: Path, others: Iterable[Path]) -> bool:
    return any(folder.is_relative_to(other) for other in others)

"""The lineage record beside each artifact: step, inputs, parameters, seeds, code and libraries.

``round.json`` has ``round.lineage.json``, sealed. Its paths are relative to its own folder, so that a run can be
moved or copied whole; it holds nothing that differs between two runs from scratch: that is the timing's.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts

KIND, VERSION = "lineage", 1
SUFFIX = ".lineage.json"


@dataclass(frozen=True)
class Record:
    """What made an artifact.

    ``path`` is the record's own file; ``inputs`` and ``outputs`` map absolute, normalised paths to sha256 digests.
    ``facts`` holds the rest: ``verb``, ``parameters``, ``seeds``, ``code``, ``environment`` and, where they apply,
    ``subject``, ``compute``, ``store``.
    """

    path: Path
    inputs: Mapping[Path, str]
    outputs: Mapping[Path, str]
    facts: Mapping[str, Any]

    @property
    def verb(self) -> str:
        """The step that made it."""
        return str(self.facts["verb"])

    @property
    def artifact(self) -> Path:
        """The artifact that names the record: ``round.json`` of ``round.lineage.json``; it need not be a file."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX) + ".json")

    @property
    def dataset(self) -> str | None:
        """The data set, by its name in the parameters, that the step prepared; None for every other step."""
        if self.verb != "prepare":
            return None
        parameters = self.facts.get("parameters")
        entries = parameters.get("datasets") if isinstance(parameters, dict) else None
        return next(iter(entries), None) if isinstance(entries, dict) else None

    @property
    def store(self) -> Path | None:
        """The evaluations' store that the step used, if it used one."""
        found = self.facts.get("store")
        return None if found is None else absolute(self.path.parent / found)


def path_of(artifact: Path) -> Path:
    """Return where the record of ``artifact`` is kept."""
    return artifact.with_name(artifact.name.removesuffix(".json") + SUFFIX)


def absolute(path: Path) -> Path:
    """Return ``path`` absolute and without ``..``, symbolic links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links, and absolute keeps ".."


def digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the sha256 of each of these files that is there."""
    return {path: artifacts.digest_of_file(path) for path in paths if path.is_file()}


def relative(path: Path, folder: Path) -> str:
    """Return ``path`` as a record in ``folder`` names it."""
    return Path(os.path.relpath(path, folder)).as_posix()


def write(artifact: Path, inputs: Mapping[Path, str], outputs: Mapping[Path, str], facts: Mapping[str, Any]) -> Path:
    """Write the record of ``artifact`` and return its path."""
    path = path_of(artifact)
    files = {
        name: {relative(file, path.parent): digest for file, digest in listed.items()}
        for name, listed in (("inputs", inputs), ("outputs", outputs))
    }
    artifacts.write_sealed(path, KIND, VERSION, {**facts, **files})
    return path


def read(path: Path) -> Record:
    """Read a record file.

    Raises ArtifactError when it is damaged, or claims to have made a file outside its own folder: no step does that,
    and what a record claims may be moved out of the way.
    """
    facts = artifacts.read_sealed(path, KIND, VERSION)
    inputs, outputs = (_files(path, facts.pop(key, None)) for key in ("inputs", "outputs"))
    if inputs is None or outputs is None or not _is_well_formed(facts):
        raise ArtifactError(
            f"{path}: is no lineage record: its verb, inputs, outputs or facts are not what a step writes"
        )
    folder = absolute(path).parent
    for file in outputs:
        if not file.is_relative_to(folder) or file == absolute(path):
            raise ArtifactError(f"{path}: claims {relative(file, folder)}, which no step of this folder writes")
    return Record(absolute(path), inputs, outputs, facts)


def _files(path: Path, listed: object) -> dict[Path, str] | None:
    """Return a record's inputs or outputs by absolute path; None where it is no mapping of names to digests."""
    if not isinstance(listed, dict):
        return None
    if not all(_is_name(name) and isinstance(digest, str) for name, digest in listed.items()):
        return None
    return {absolute(path.parent / name): digest for name, digest in listed.items()}


def _is_well_formed(facts: Mapping[str, Any]) -> bool:
    """Return whether the facts have the types that every reader relies on."""
    mappings = ("code", "environment", "parameters", "seeds", "compute", "subject")
    texts = ("verb", "task", "store")
    return (
        {"verb", "code", "environment"} <= facts.keys()
        and all(isinstance(facts.get(name, {}), dict) for name in mappings)
        and all(isinstance(facts.get(name, ""), str) for name in texts)
        and _is_name(facts.get("store", "store"))
    )


def _is_name(name: str) -> bool:
    """Return whether a file system can be asked about this path: others end in an error of their own."""
    parts = name.split("/")
    return bool(name) and "\0" not in name and len(name) < 4096 and all(len(part.encode()) < 256 for part in parts)


def is_beside(path: Path) -> bool:
    """Return whether a file stands beside an artifact rather than being one: a record or a timing."""
    return path.name.endswith((SUFFIX, ".timing.json"))

"""The lineage record beside each artifact: step, inputs, parameters, seeds, code and libraries.

``round.json`` has ``round.lineage.json``, sealed. Its paths are relative to its own folder, so that a run can be
moved or copied whole; it holds nothing that differs between two runs from scratch: that is the timing's.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.records import record as typed
from autoshrink.records.record import Many, optional

KIND, VERSION = "lineage", 1
SUFFIX = ".lineage.json"


def _place(name: str) -> str:
    if not _is_name(name):
        raise ValueError("no path that a file system can be asked about")
    return name


class Code(typed.Record):
    """The version of the code; what is not known is left out."""

    version: Annotated[str | None, Field(exclude_if=optional)] = None
    """The package's."""
    sources: Annotated[str | None, Field(exclude_if=optional)] = None
    """sha256 of all its files."""
    commit: Annotated[str | None, Field(exclude_if=optional)] = None
    dirty: Annotated[bool | None, Field(exclude_if=optional)] = None
    """Whether the package, the lock or pyproject.toml differs from the commit."""
    step: Annotated[str | None, Field(exclude_if=optional)] = None
    """Digest of the code that the step reaches."""


class Compute(typed.Record):
    """What a step computed on with torch."""

    threads: int | None
    deterministic: bool
    numerics: str
    processes: int
    device: Annotated[str | None, Field(exclude_if=optional)] = None
    """The device's kind; None where the step imported no torch."""


class Seeds(typed.Record):
    """The random draws of a step, by name, under the root seed."""

    root: int
    draws: Many[str]


class Facts(typed.Record):
    """What a record says besides inputs and outputs."""

    verb: str
    """The step."""
    code: Code
    environment: Mapping[str, str]
    """Versions of Python and the libraries, the kind of machine, the lock's sha256."""
    task: Annotated[str | None, Field(exclude_if=optional)] = None
    subject: Annotated[Mapping[str, JsonValue] | None, Field(exclude_if=optional)] = None
    """What the step was about; each step has its own keys."""
    parameters: Annotated[Mapping[str, JsonValue] | None, Field(exclude_if=optional)] = None
    """The parameters that matter to the step, as they stand in a file of parameters."""
    seeds: Annotated[Seeds | None, Field(exclude_if=optional)] = None
    compute: Annotated[Compute | None, Field(exclude_if=optional)] = None
    store: Annotated[str | None, AfterValidator(lambda found: None if found is None else _place(found))] = Field(
        None, exclude_if=optional
    )
    """The evaluations' store that the step used, relative to the record's folder."""


@dataclass(frozen=True)
class Record:
    """What made an artifact.

    ``path`` is the record's own file; ``inputs`` and ``outputs`` map absolute, normalised paths to sha256 digests.
    """

    path: Path
    inputs: Mapping[Path, str]
    outputs: Mapping[Path, str]
    facts: Facts

    @property
    def verb(self) -> str:
        """The step that made it."""
        return self.facts.verb

    @property
    def artifact(self) -> Path:
        """The artifact that names the record: ``round.json`` of ``round.lineage.json``; it need not be a file."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX) + ".json")

    @property
    def dataset(self) -> str | None:
        """The data set, by its name in the parameters, that the step prepared; None for every other step."""
        if self.verb != "prepare":
            return None
        entries = (self.facts.parameters or {}).get("datasets")
        return next(iter(entries), None) if isinstance(entries, dict) else None

    @property
    def store(self) -> Path | None:
        """The evaluations' store that the step used, if it used one."""
        return None if self.facts.store is None else absolute(self.path.parent / self.facts.store)


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


def write(artifact: Path, inputs: Mapping[Path, str], outputs: Mapping[Path, str], facts: Facts) -> Path:
    """Write the record of ``artifact`` and return its path."""
    path = path_of(artifact)
    files = {
        name: {relative(file, path.parent): digest for file, digest in listed.items()}
        for name, listed in (("inputs", inputs), ("outputs", outputs))
    }
    artifacts.write_sealed(path, KIND, VERSION, {**facts.to_json(), **files})
    return path


def read(path: Path) -> Record:
    """Read a record file.

    Raises ArtifactError when it is damaged, or claims to have made a file outside its own folder: no step does that,
    and what a record claims may be moved out of the way.
    """
    content = artifacts.read_sealed(path, KIND, VERSION)
    inputs, outputs = (_files(path, content.pop(key, None)) for key in ("inputs", "outputs"))
    try:
        facts = Facts.model_validate(content)
    except (ValidationError, RecursionError):
        facts = None
    if inputs is None or outputs is None or facts is None:
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


def _is_name(name: str) -> bool:
    """Return whether a file system can be asked about this path: others end in an error of their own."""
    parts = name.split("/")
    return bool(name) and "\0" not in name and len(name) < 4096 and all(len(part.encode()) < 256 for part in parts)


def is_beside(path: Path) -> bool:
    """Return whether a file stands beside an artifact rather than being one: a record or a timing."""
    return path.name.endswith((SUFFIX, ".timing.json"))

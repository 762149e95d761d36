"""Atomic writes, digests, and sealed JSON files that are checked when read.

A *sealed* JSON file carries the sha256 of its own content and exists in exactly one byte form, so any flipped byte,
truncation or foreign content is found when it is read, without any other file at hand.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from autoshrink.errors import ArtifactError

Json = dict[str, Any]
"""A JSON object on its way to or from a file: untyped, for its reader or writer alone knows what it holds. Also a
document of somebody else's schema, such as a Vega-Lite specification."""

SEAL = "sha256"
TIMING, TIMING_VERSION = "timing", 1
# A temporary file's name: what it becomes, the host and the process that write it.
TEMPORARY = re.compile(r"^\.(?P<name>.+)\.(?P<host>[A-Za-z0-9_-]+)\.(?P<process>\d+)-[0-9a-f]{8}\.tmp$")
# No JSON file of ours comes near this size; parsing a larger one would take gigabytes.
LARGEST_JSON = 64 * 2**20


def canonical_json(value: object) -> str:
    """Return ``value`` as the one JSON text we digest: sorted keys, no spaces, no NaN (use None)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """Return the sha256 (hex) of a JSON value's canonical text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes. Raises OSError as ``opened`` does."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Stamped:
    """A file's digest, with what the file system said of it before it was read: no write leaves that as it was."""

    digest: str
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamped":
        """Read a file. Raises OSError."""
        found = path.stat()
        return cls(digest_of_file(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def holds(self, path: Path) -> bool:
        """Return whether the file is still the one that was read. Raises OSError."""
        found = path.stat()
        then = (self.inode, self.size, self.modified_ns, self.changed_ns)
        return then == (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def opened(path: Path) -> io.BufferedReader:
    """Open a regular file for reading. Raises OSError where there is none: a pipe or a device would never end."""
    # without waiting: opening a pipe that nobody writes to would hang
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is a pipe, a device or a socket", str(path))
    return file


def host() -> str:
    """Return this machine's name as temporary files carry it."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", platform.node()) or "host"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that becomes ``path`` when the block ends well, and vanishes when not.

    The bytes are on the disk (fsync) before the name is: a reader of ``path`` sees all of it, even after a power cut.
    Raises OSError as the file system does (a full disk, a read-only folder); ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{host()}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_dead_temporary(name: str) -> bool:
    """Return whether a name is a temporary's whose process is known to be gone: only this host's can be."""
    match = TEMPORARY.match(name)
    if match is None or match["host"] != host():
        return False
    try:
        os.kill(int(match["process"]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically and durably."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, atomically and durably."""
    write_bytes(path, content.encode())


def sealed_bytes(kind: str, version: int, content: Json) -> bytes:
    """Return the one byte form of a sealed JSON file of this kind and version."""
    body = {"kind": kind, "version": version, **content}
    sealed = {**body, SEAL: digest_of(body)}
    text = json.dumps(sealed, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_sealed(path: Path, kind: str, version: int, content: Json) -> None:
    """Write ``content`` as a sealed JSON file."""
    write_bytes(path, sealed_bytes(kind, version, content))


def read_sealed(path: Path, kind: str, version: int) -> Json:
    """Read a sealed JSON file back and return its content.

    Raises ArtifactError, in one line, when the file is missing, truncated, altered, of another kind or of a version
    this code does not know.
    """
    raw, value = _parse(path, kind)
    if not isinstance(value, dict) or value.get("kind") != kind:
        found = value.get("kind", "no kind") if isinstance(value, dict) else type(value).__name__
        raise ArtifactError(f"{path}: expected a file of kind {kind!r}, found {found!r}")
    if value.get("version") != version:
        raise ArtifactError(
            f"{path}: {kind} version {value.get('version')!r} is not known here; accepted: version {version}"
        )
    content = {key: item for key, item in value.items() if key not in ("kind", "version", SEAL)}
    try:
        intact = sealed_bytes(kind, version, content) == raw
    except (ValueError, RecursionError):  # NaN and its like, which no file of ours holds
        intact = False
    if not intact:
        raise ArtifactError(f"{path}: does not match its own sha256: it was altered; remove it to regenerate it")
    return content


def is_sealed(path: Path) -> bool:
    """Return whether this is an intact sealed file, of whatever kind and version."""
    try:
        with opened(path) as file:
            return is_sealed_content(file.read(LARGEST_JSON + 1))
    except OSError:
        return False


def is_sealed_content(raw: bytes) -> bool:
    """Return whether these bytes are an intact sealed file's, of whatever kind and version."""
    if len(raw) > LARGEST_JSON:
        return False
    try:
        value = json.loads(raw)
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            return False
        content = {key: item for key, item in value.items() if key not in ("kind", "version", SEAL)}
        return isinstance(value.get("version"), int) and sealed_bytes(value["kind"], value["version"], content) == raw
    except (ValueError, RecursionError):
        return False


def kind_of(path: Path) -> str:
    """Return the kind that a sealed JSON file says it is. Raises ArtifactError when it is no such file."""
    _, value = _parse(path, "sealed file")
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise ArtifactError(f"{path}: not a file of AutoShrink's: it names no kind")
    return kind


def _parse(path: Path, expected: str) -> tuple[bytes, Any]:
    try:
        with opened(path) as file:
            raw = file.read(LARGEST_JSON + 1)
        if len(raw) > LARGEST_JSON:
            raise ArtifactError(f"{path}: is larger than {LARGEST_JSON >> 20} MiB, which no {expected} is")
        return raw, json.loads(raw)
    except ArtifactError:
        raise
    except FileNotFoundError:
        raise ArtifactError(f"{path}: there is no such file; expected a {expected}") from None
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError:
        raise ArtifactError(f"{path}: is nested deeper than any {expected}; the file is foreign or altered") from None
    except ValueError as error:
        raise ArtifactError(
            f"{path}: not valid JSON ({error}); the file is truncated or altered; remove it to regenerate it"
        ) from None


def set_aside(path: Path, why: str) -> Path:
    """Rename a damaged file to ``NAME.damaged-N`` so that it can be studied and its place be filled again."""
    for number in range(1, 10_000):
        target = path.with_name(f"{path.name}.{why}-{number}")
        try:
            os.link(path, target)  # fails where the name is taken: two processes cannot set aside onto one name
        except FileExistsError:
            continue
        path.unlink(missing_ok=True)
        return target
    raise ArtifactError(f"{path}: 9,999 damaged files were set aside already; look at the disk, then remove them")


def timing_path(path: Path) -> Path:
    """Return where ``path``'s timing is kept: what differs from run to run, and no digest covers."""
    return path.with_name(f"{path.name.removesuffix('.json')}.timing.json")


def write_timing(path: Path, timing: Mapping[str, Any]) -> None:
    """Write the timing of the artifact ``path`` beside it, sealed, so that a damaged one is found out."""
    write_sealed(timing_path(path), TIMING, TIMING_VERSION, dict(timing))

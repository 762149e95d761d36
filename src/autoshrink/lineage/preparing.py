"""Putting a data set where it is to be kept, without a change to any file there that AutoShrink has not written.

It is prepared in a folder of its own inside, and moved when it is whole, the manifest last. What is there already may
be replaced where the manifest or the lineage record there names it, or where it is the same, byte for byte.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.tasks.address import MANIFEST

KIND, VERSION = "dataset", 1


def check(out: Path) -> None:
    """Raise UserError where a manifest stands in the way that is not AutoShrink's, before any work is done."""
    manifest = out / MANIFEST
    if os.path.lexists(manifest) and MANIFEST not in _own(out):
        raise UserError(_in_the_way(manifest))


@contextlib.contextmanager
def inside(out: Path) -> Iterator[Path]:
    """Give a new folder inside ``out``, and remove what is left of it when the block ends.

    One that a killed process of this machine left is removed first.
    """
    for old in out.glob(".preparing.*.tmp"):
        if artifacts.is_dead_temporary(old.name) and old.is_dir() and not old.is_symlink():
            _remove(old)
    is_new = not out.exists()
    folder = out / f".preparing.{artifacts.host()}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)
        if is_new and not any(out.iterdir()):
            out.rmdir()


def put(folder: Path, files: Sequence[str], out: Path) -> list[Path]:
    """Move the prepared ``files`` and their manifest from ``folder`` to ``out`` and return where they are.

    Raises UserError, before any is moved, where another file is in the way.
    """
    own = _own(out)
    for name in (*files, MANIFEST):
        target = out / name
        if os.path.lexists(target) and name not in own and not _same(folder / name, target):
            raise UserError(_in_the_way(target))
    for name in (*files, MANIFEST):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(out / name)
    artifacts.sync(out)
    return [out / MANIFEST, *(out / name for name in files)]


def _own(out: Path) -> set[str]:
    """Return the files of a folder that a manifest or a record of AutoShrink's there says it wrote."""
    names: set[str] = set()
    with contextlib.suppress(ArtifactError):
        files = artifacts.read_sealed(out / MANIFEST, KIND, VERSION).get("files")
        names |= {MANIFEST, *(files if isinstance(files, dict) else ())}
    with contextlib.suppress(ArtifactError):
        outputs = records.read(records.path_of(out / MANIFEST)).outputs
        names |= {records.relative(path, out) for path in outputs}
    return names


def _same(one: Path, other: Path) -> bool:
    try:
        return artifacts.digest_of_file(one) == artifacts.digest_of_file(other)
    except OSError:
        return False


def _in_the_way(path: Path) -> str:
    return (
        f"--out: {path}: is in the way, and no manifest or record beside it says that AutoShrink wrote it; "
        "name another folder, or move it away"
    )


def _remove(folder: Path) -> None:
    """Remove a folder that ``inside`` made, which holds what a preparation writes: files, at most in one more level."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    folder.rmdir()

"""Pack a finished search into one file and back, for tools such as DVC that version files by name.

The pack holds exactly what the search's answer depends on, with its records and timings, and the store's evaluations
that it used; rounds left by an earlier, longer search are not in it. Names in it are relative to the working folder.
"""

import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records, telling
from autoshrink.lineage.graph import Run
from autoshrink.workflow.layout import stored_evaluation

# A search of hundreds of rounds packs a few megabytes; more than this is a bomb.
LARGEST_PACK = 256 * 2**20
# Zip's own earliest date: a pack's bytes depend on its files alone.
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(run: Run, answer: Path, out: Path) -> int:
    """Write the search whose answer (``best.json``) is ``answer`` to the zip ``out``; return how many files it has.

    Raises ArtifactError where the search is not whole, UserError where a file lies outside the working folder, or where
    ``out`` is there already and is no pack.
    """
    if os.path.lexists(out):
        try:
            _contents(out)
        except ArtifactError:
            raise UserError(f"--out {out}: is there already and is no pack; name another file") from None
    files: list[Path] = []
    for record in run.ancestors(run.of(answer)):
        if record.verb != "prepare":
            files += [*record.outputs, record.path, artifacts.timing_path(record.artifact)]
            files += _evaluations(record)
    files = sorted(path for path in set(files) if path.exists())
    names = [records.relative(path, Path.cwd()) for path in files]
    outside = next((name for name in names if name.startswith("../")), None)
    if outside is not None:
        raise UserError(f"{outside}: lies outside the working folder; pack where results and store are folders of it")
    with artifacts.replacing(out) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in zip(names, files, strict=True):
            archive.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return len(files)


def unpack(source: Path) -> int:
    """Put the files of a pack back where they were, under the working folder; return how many were not there.

    Nothing is overwritten: a file that is there already must be the same, or a timing. Raises ArtifactError when the
    pack is damaged, too large, or names a place outside the working folder, symbolic links resolved, and UserError
    where another file is in the way: nothing is written then.
    """
    contents = _contents(source)
    here = Path.cwd().resolve()
    missing = {}
    for name, content in contents.items():
        path = Path(name)
        try:
            place = path.resolve()
        except (OSError, RuntimeError):
            raise UserError(f"{name}: leads through symbolic links in a circle; remove them first") from None
        if not place.is_relative_to(here):
            raise ArtifactError(f"{source}: {name} leads outside this folder, by a symbolic link; nothing was restored")
        if not path.exists() and not path.is_symlink():
            missing[path] = content
        elif not _holds(path, content) and not name.endswith(".timing.json"):
            raise UserError(f"{name}: is there already and is another file than in {source}; move it away first")
    for path, content in missing.items():
        artifacts.write_bytes(path, content)
    return len(missing)


def _contents(source: Path) -> dict[str, bytes]:
    """Return a pack's files by name, each a sealed file of ours. Raises ArtifactError as ``unpack`` says."""
    contents: dict[str, bytes] = {}
    left = LARGEST_PACK
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                name, place = entry.filename, PurePosixPath(entry.filename)
                foreign = place.is_absolute() or ".." in place.parts or "\\" in name or "\0" in entry.orig_filename
                if foreign or not name.endswith(".json") or name in contents:
                    raise ArtifactError(
                        f"{source}: holds {name!r}, which is no artifact of a search; it was not made by 'pack'"
                    )
                # as much as is allowed and one byte more: what an entry says of its own size need not be true
                with archive.open(entry) as file:
                    contents[name] = file.read(min(left, artifacts.LARGEST_JSON) + 1)
                left -= len(contents[name])
                if left < 0 or len(contents[name]) > artifacts.LARGEST_JSON:
                    raise ArtifactError(f"{source}: unpacks to more than any search holds; it was not made by 'pack'")
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{source}: is no intact pack ({error}); fetch it again or make it again") from None
    for name, content in contents.items():
        if not artifacts.is_sealed_content(content):
            raise ArtifactError(f"{source}: {name} is not a sealed file of AutoShrink's; it was not made by 'pack'")
    return contents


def _holds(path: Path, content: bytes) -> bool:
    try:
        with artifacts.opened(path) as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


def _evaluations(record: records.Record) -> list[Path]:
    """Return the store's files of the evaluations that an evaluation job used."""
    if record.store is None:
        return []
    found = []
    for evaluation in telling.content_of(record.artifact).get("evaluations", {}).values():
        key = evaluation["key"]
        path = stored_evaluation(record.store, key)
        found += [path, records.path_of(path), artifacts.timing_path(path)]
    return found

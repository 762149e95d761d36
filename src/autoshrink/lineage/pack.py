"""A finished search as one file, and back: for tools that version files by name, since rounds differ in number.

The pack holds exactly what the search's answer depends on, with its records and timings, and the store's evaluations
that it used; rounds left by an earlier, longer search are not in it. Names in it are relative to the working folder.
"""

import zipfile
from pathlib import Path, PurePosixPath

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records, telling
from autoshrink.lineage.graph import Run

# Zip's own earliest date: a pack's bytes depend on its files alone.
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(run: Run, answer: Path, out: Path) -> int:
    """Write the search whose answer (``best.json``) is ``answer`` to the zip ``out``; return how many files it has.

    Raises ArtifactError where the search is not whole, UserError where a file lies outside the working folder.
    """
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
    """Put the files of a pack back where they were, under the working folder; return how many were not there so.

    Raises ArtifactError when the pack is damaged or names a place outside the working folder: nothing is written then.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ArtifactError(f"{source}: is no intact pack ({error}); fetch it again or make it again") from None
    for name in contents:
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name or not place.name.endswith(".json"):
            raise ArtifactError(
                f"{source}: holds {name!r}, which is no artifact of a search; it was not made by 'pack'"
            )
    written = 0
    for name, content in contents.items():
        path = Path(name)
        if not path.is_file() or path.read_bytes() != content:
            artifacts.write_bytes(path, content)
            written += 1
    return written


def _evaluations(record: records.Record) -> list[Path]:
    """Return the store's files of the evaluations that an evaluation job used."""
    if record.store is None:
        return []
    found = []
    for evaluation in telling.content_of(record.artifact).get("evaluations", {}).values():
        key = evaluation["key"]
        path = record.store / "evaluations" / key[:2] / f"{key}.json"
        found += [path, records.path_of(path), artifacts.timing_path(path)]
    return found

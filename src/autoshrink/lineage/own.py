"""Which files a step may overwrite: those that a lineage record says a step wrote, and no file of the user's."""

import os
from collections.abc import Mapping
from pathlib import Path

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records


class Written:
    """What the records beside files claim; each record is read once.

    ``verified`` are files that were read a moment ago; those that are as they were are not read again.
    """

    def __init__(self, verified: Mapping[Path, artifacts.Stamped] | None = None) -> None:
        self._verified = verified or {}
        self._claims: dict[Path, dict[Path, str]] = {}

    def has(self, path: Path) -> bool:
        """Return whether a record says that a step wrote this file, and the file is as the step left it.

        A file's record stands in the same folder or, as the report's does, one above. Records themselves count where
        they are intact.
        """
        place = records.absolute(path)
        for folder in (place.parent, place.parent.parent):
            digest = self._claimed(folder).get(place)
            if digest is not None:
                return self._has_digest(place, digest)
        return False

    def _has_digest(self, path: Path, digest: str) -> bool:
        try:
            known = self._verified.get(path)
            if known is None or not known.holds(path):
                known = artifacts.Stamped.of(path)
            return known.digest == digest
        except OSError:
            return False

    def _claimed(self, folder: Path) -> dict[Path, str]:
        """Return the files that the records in a folder say their steps wrote, by sha256; these records too."""
        if folder not in self._claims:
            found = self._claims[folder] = {}
            for path in sorted(folder.glob(f"*{records.SUFFIX}")):
                try:
                    found |= records.read(path).outputs
                    found[path] = artifacts.digest_of_file(path)
                except (ArtifactError, OSError):
                    continue
        return self._claims[folder]


def require(out: Path) -> None:
    """Raise UserError where a file stands at ``out`` that AutoShrink has not written.

    A step that was killed between its artifact and the record leaves a sealed file, which it may overwrite.
    """
    if os.path.lexists(out) and not artifacts.is_sealed(out) and not records.path_of(out).is_file():
        raise UserError(
            f"--out: {out}: is in the way, and no record beside it says that AutoShrink wrote it; name another file, "
            "or move it away"
        )

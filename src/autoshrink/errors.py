"""Errors for users: one line each, with the place, the problem and the remedy."""

import difflib
from collections.abc import Iterable


def meant(found: object, accepted: Iterable[str]) -> str:
    """Return the question whether the accepted word closest to ``found`` was meant; "" where none is close."""
    close = difflib.get_close_matches(str(found), [str(word) for word in accepted], 1)
    return f"; did you mean {close[0]!r}?" if close and close[0] != str(found) else ""


class UserError(ValueError):
    """Something the user can mend. The command line prints its one line and exits with status 2."""


class ParameterError(UserError):
    """A key of params.yaml (or of an overlay) is unknown, mistyped, out of range or contradicts another."""


class DataError(UserError):
    """Raw data is missing, damaged or not what the parameters say it is."""


class DivergedError(UserError):
    """A training diverged before its first good epoch."""


class ArtifactError(UserError):
    """A file of ours cannot be read back as what it claims to be: truncated, altered or foreign."""

"""Snakemake's own arguments, read before Snakemake reads what they name: ``--configfile`` and ``--config``.

Snakemake reads these files without bounds, so that a few lines of YAML aliases take it minutes and gigabytes.
"""

import os
import re
from pathlib import Path

from autoshrink.errors import UserError
from autoshrink.params import loading


def mistakes_in(arguments: list[str]) -> list[str]:
    """Return what Snakemake would answer by a traceback, or never: parameters' files and ``--config``, a line each.

    The files are read as the workflow reads them, with bounds. What their values mean is the workflow's to check.
    """
    found = []
    files = [Path(word) for word in words_of(arguments, "--configfile", "--configfiles")]
    for file in [Path("params.yaml"), *files] if os.path.lexists("params.yaml") else files:
        try:
            loading.read(file)
        except UserError as error:
            found += str(error).splitlines()
    for word in words_of(arguments, "--config", "-C"):
        key, equals, value = word.partition("=")
        if not (equals and re.fullmatch(r"[a-zA-Z_][\w-]*\w", key)):  # Snakemake's own expression
            found.append(f"--config {word}: expected SECTION=VALUE{nested(key, value)}")
    return found


def nested(key: str, value: str) -> str:
    """Return how Snakemake takes what was meant by a dotted key."""
    first, *others = key.split(".")
    if not (others and value and all(re.fullmatch(r"[\w-]+", part) for part in (first, *others))):
        return ", such as --config seed=7; or give a file of parameters by --configfile"
    inside = "".join(f"{{{part}: " for part in others) + value + "}" * len(others)
    return f"; give it as --config '{first}={inside}'"


def words_of(arguments: list[str], *options: str) -> list[str]:
    """Return the words that follow these options, each of which takes several."""
    found: list[str] = []
    taking = False
    for word in arguments:
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            taking = option in options
            if taking and equals:
                found.append(value)
        elif taking:
            found.append(word)
    return found


def is_for_autoshrink(arguments: list[str]) -> bool:
    """Return whether the Snakefile that these arguments lead Snakemake to is AutoShrink's, or uses it as a module."""
    named = words_of(arguments, "--snakefile", "-s") or [
        name for name in ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile") if Path(name).is_file()
    ]
    try:
        return bool(named) and b"autoshrink" in Path(named[0]).read_bytes().lower()
    except OSError:
        return False

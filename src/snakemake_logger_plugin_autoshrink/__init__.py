"""`snakemake --logger autoshrink`: live progress on a terminal, plain lines elsewhere.

Snakemake finds this package by its name. Whether a step runs, ends or fails is Snakemake's to say; how far a search has
come is read from its artifacts (``autoshrink.workflow.status``).

Snakemake imports it, with every plugin, before it reads any file of parameters. That is the one moment to look at these
first, so that plain `snakemake --configfile FILE` answers a mistake in FILE in a line, as `make run` does.
"""

import sys
from pathlib import Path

from autoshrink.params.arguments import is_for_autoshrink, mistakes_in
from snakemake_logger_plugin_autoshrink.handler import LogHandler

__all__ = ["LogHandler"]

_words = sys.argv[1:]
if Path(sys.argv[0]).name == "snakemake" and is_for_autoshrink(_words) and (_mistakes := mistakes_in(_words)):
    sys.exit("\n".join(f"snakemake: {mistake}" for mistake in _mistakes))

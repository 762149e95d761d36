"""`snakemake --logger autoshrink`: live progress on a terminal, plain lines elsewhere.

Snakemake finds this package by its name. Whether a step runs, ends or fails is Snakemake's to say; how far a search has
come is read from its artifacts (``autoshrink.workflow.status``).
"""

from snakemake_logger_plugin_autoshrink.handler import LogHandler

__all__ = ["LogHandler"]

"""The command line: one verb per step of the pipeline, and errors for people."""

from autoshrink.cli.root import main

__all__ = ["main"]

"""``python -m autoshrink``: the command where the package is not installed but on the path."""

from autoshrink.cli import main

main()

"""The command line: one verb per step of the pipeline, and errors for people."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; inside a run, a resident process does so, which has imported everything already."""
    if arguments is None:
        from autoshrink.runtime import resident

        status = resident.ask(sys.argv[1:])
        if status is not None:
            sys.exit(status)
    from autoshrink.cli import root

    root.main(arguments)

"""The program of a run's resident process: ``python -m autoshrink.cli.resident SOCKET MODE``.

It imports what steps import, in the run's numerics, and then forks a process for each step (``runtime.resident``).
"""

import atexit
import gc
import importlib
import os
import pkgutil
import sys
from pathlib import Path
from typing import cast

from autoshrink.runtime import numerics, resident

PACKAGES = tuple(f"autoshrink.{name}" for name in ("costs", "evaluation", "evidence", "search", "tasks", "training"))
"""What the steps that run most often, and longest, are made of."""


def main(path: str, mode: str) -> None:
    """Import everything, serve requests, and be the command line in each fork."""
    numerics.apply(cast(numerics.Mode, mode))
    preload()
    gc.collect()
    gc.freeze()  # forks share the pages of what is there
    request = resident.await_request(Path(path))
    if request is None:
        return
    from autoshrink.cli import root

    try:
        root.main(request.words)
    except SystemExit as ended:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        # without taking the interpreter down, which would visit, and so copy, every object that is shared
        os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def preload() -> None:
    """Import what the steps import, and digest their code: it is this code that they run, whatever happens to files."""
    from autoshrink.cli.root import VERBS
    from autoshrink.lineage import environment
    from autoshrink.params.base import Task
    from autoshrink.workflow.code import code_of
    from autoshrink.workflow.steps import STEPS

    for module in sorted({module for module, _ in VERBS.values()}):
        importlib.import_module(module)
    for package in PACKAGES:
        folders = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(folders, f"{package}."):
            importlib.import_module(found.name)
    for verb in STEPS:
        for task in (None, *Task):
            code_of(verb, task)
    environment.code()
    environment.libraries()


if __name__ == "__main__":
    main(*sys.argv[1:])

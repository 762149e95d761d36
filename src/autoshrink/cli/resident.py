"""A run's resident process, which forks a process for each step (``runtime.resident``): ``start`` starts it.

The program is ``python -m autoshrink.cli.resident SOCKET MODE``: it imports what steps import, in the run's numerics.
"""

import atexit
import gc
import importlib
import os
import pkgutil
import secrets
import subprocess
import sys
from pathlib import Path
from typing import cast

from autoshrink.params import Parameters
from autoshrink.runtime import numerics, resident

PACKAGES = tuple(f"autoshrink.{name}" for name in ("costs", "evaluation", "evidence", "search", "tasks", "training"))
"""What the steps that run most often, and longest, are made of."""


_held: list["subprocess.Popen[bytes]"] = []
"""The processes whose stdin must stay open."""


def start(chosen: Parameters) -> None:
    """Start the run's resident process; it ends with this process, however that ends.

    None is started on a machine with GPUs, whose libraries must not be forked, or where steps run in a container: they
    start as they always do there.
    """
    has_gpus = any(Path("/dev").glob("nvidia[0-9]*"))
    if not hasattr(os, "pidfd_open") or has_gpus or chosen.compute.container is not None:
        return
    name = f"autoshrink-{secrets.token_hex(16)}"
    process = subprocess.Popen(
        # -P: nothing is imported from the run's own folder
        [sys.executable, "-P", "-m", __name__, name, numerics.effective(chosen.compute.numerics)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _held.append(process)
    os.environ[resident.VARIABLE] = name


def main(name: str, mode: str) -> None:
    """Import everything, serve requests, and be the command line in each fork."""
    numerics.apply(cast(numerics.Mode, mode))
    preload()
    gc.collect()
    gc.freeze()  # forks share the pages of what is there
    request = resident.await_request(name)
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

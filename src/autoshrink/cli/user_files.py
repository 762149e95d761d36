"""Keep Snakemake from the user's files: it deletes whatever stands in an output's place before a job starts."""

import asyncio
import os
from pathlib import Path
from typing import Any

from autoshrink.cli import preflight
from autoshrink.errors import UserError
from autoshrink.lineage import own


def check(workflow: Any) -> None:
    """Raise UserError, a line per file, where something that no step wrote stands in the place of a job's output.

    ``workflow`` is Snakemake's, its DAG built. A step wrote a file where a lineage record says so and the file is as it
    was then, or where Snakemake remembers it: a step that was killed had no time for a record.
    """
    written = own.Written(preflight.verified)
    lines = [
        f"{output}: is in the way of the step {job.rule}: no record says that AutoShrink wrote it, so it is left "
        "alone; move it away, or change paths in the parameters"
        for job in workflow.dag.jobs
        for output in job.output
        if os.path.lexists(output)
        if not written.has(Path(output)) and not _is_remembered(workflow.persistence, job, output)
    ]
    if lines:
        raise UserError("\n".join(sorted(lines)))


def _is_remembered(persistence: Any, job: Any, output: Any) -> bool:
    """Return whether Snakemake wrote this file, unchanged since, or was killed while a job wrote it."""
    found = persistence.metadata(output)
    if found is not None and found.endtime is not None and os.lstat(output).st_mtime <= found.endtime:
        return True
    return output in asyncio.run(persistence.incomplete(job))

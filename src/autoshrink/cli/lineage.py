"""The verbs that audit a run: where an artifact comes from, what has changed since, and all of it packed for others."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from autoshrink.cli import options

RUN = click.argument("run", type=options.FOLDER, default=Path("results"))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="Audit a run: show, why, diff, verify, repair, export.")
def lineage() -> None:
    """Audit a run: which data, code, parameters and seeds made each artifact, and whether any was altered since.

    Every artifact has a record beside it (best.json: best.lineage.json); these verbs read nothing else.
    """


@lineage.command()
@RUN
@AS_JSON
def verify(run: Path, as_json: bool) -> None:
    """Recompute every digest of a run, its data and its store; name what is not as it was made.

    RUN is the results folder. Ends with status 1 when anything is wrong.

    Example: autoshrink lineage verify results
    """
    from autoshrink.lineage import graph
    from autoshrink.lineage import verify as room
    from autoshrink.lineage.records import relative

    verdict = room.verify(graph.read(run))
    if as_json:
        _print_json(
            {
                "findings": [
                    {"kind": item.kind, "path": relative(item.path, Path.cwd()), "what": item.what}
                    for item in verdict.findings
                ],
                "artifacts": verdict.artifacts,
                "set_aside": [relative(path, Path.cwd()) for path in verdict.set_aside],
                "leftovers": [relative(path, Path.cwd()) for path in verdict.leftovers],
                "digest": verdict.digest,
            }
        )
    else:
        for item in verdict.findings:
            click.echo(f"{item.kind}: {relative(item.path, Path.cwd())}: {item.what}")
        for path in verdict.set_aside:
            click.echo(f"note: {relative(path, Path.cwd())} was set aside earlier")
        for path in verdict.leftovers:
            click.echo(f"note: {relative(path, Path.cwd())} was left by a process that was killed")
        wrong = len(verdict.findings)
        state = "as they were made" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong"
        click.echo(f"{run}: {verdict.artifacts} artifacts, {state}; run digest {verdict.digest}")
    if verdict.findings:
        sys.exit(1)


@lineage.command()
@RUN
def repair(run: Path) -> None:
    """Set aside what 'verify' finds wrong, under names that tell, so that the next run makes it again.

    Run it while nothing else works on RUN. A run that does not exist yet needs no repair.

    Example: autoshrink lineage repair results
    """
    from autoshrink.lineage import graph
    from autoshrink.lineage import repair as room
    from autoshrink.lineage import verify as verification

    if not run.is_dir():
        return
    found = graph.read(run)
    for line in room.repair(found, verification.verify(found)):
        click.echo(line, err=True)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))

"""The verb ``status``: show the progress of a run."""

import json
from pathlib import Path

import click

from autoshrink.cli import options


@click.command(short_help="Tell where a run stands, also while it runs.")
@click.argument("results", type=options.FOLDER, default=Path("results"), metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(results: Path, as_json: bool) -> None:
    """Tell where the run in the folder RUN (results, where none is named) stands, from its files alone. Of jobs
    that wait in SLURM's queue, squeue is asked why.

    Rounds and candidates done, what runs, waits or has failed and its last words, the best so far, and about how much
    searching is left.

    \b
    Example:
      autoshrink status results
    """
    from autoshrink.workflow import status as run_status

    found = run_status.in_queue(run_status.read(results))
    if as_json:
        click.echo(json.dumps([search.to_json() for search in found], indent=1))
        return
    for search in found:
        for line in run_status.lines(search):
            click.echo(line)
